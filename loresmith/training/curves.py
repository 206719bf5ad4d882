"""The loss curves of a run as a picture (PNG).

One panel: training loss of each step (pale), its running mean, the dev loss at each look with its
best point, and the learning rate below. Reads no weights and opens no window.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loresmith.errors import MissingExtra
from loresmith.training.values import Step
from loresmith.workspace import write_atomic

try:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
except ImportError as missing:
    raise MissingExtra("A picture of the curves", missing.name or "matplotlib", "train") from missing

# With --debug it would list every font of the machine.
logging.getLogger("matplotlib").setLevel(logging.WARNING)

TRAIN, DEV, RATE = "#1f5f8b", "#c1440e", "#6b7280"


def draw(steps: Sequence[Step], out: Path, *, title: str) -> None:
    """Write the picture of `steps` to `out`, whole or not at all.

    Raises:
        StorageError: the disk is full, or no permission.
    """
    # A style of the user's own (matplotlibrc) must not make the picture unreadable.
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, "backend": "agg"}):
        figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        _losses(above, steps)
        above.set_title(title, loc="left", fontsize=11)
        rates = [(s.step, s.learning_rate) for s in steps if s.learning_rate is not None]
        below.plot([x for x, _ in rates], [y for _, y in rates], color=RATE, linewidth=1.2)
        below.set_ylabel("learning rate", fontsize=8)
        below.set_xlabel("step")
        below.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        below.xaxis.set_major_locator(MaxNLocator(integer=True))
        for axes in (above, below):
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
        picture = io.BytesIO()
        figure.savefig(picture, format="png")
    write_atomic(out, picture.getvalue())


def _losses(axes: Any, steps: Sequence[Step]) -> None:
    train = [(s.step, s.loss) for s in steps if s.loss is not None]
    dev = [(s.step, s.dev_loss) for s in steps if s.dev_loss is not None]
    axes.plot([x for x, _ in train], [y for _, y in train], color=TRAIN, alpha=0.25, linewidth=1)
    axes.plot(
        [x for x, _ in train],
        running_mean([y for _, y in train]),
        color=TRAIN,
        linewidth=1.8,
        label="training (running mean)",
    )
    if dev:
        axes.plot(
            [x for x, _ in dev], [y for _, y in dev], color=DEV, linewidth=1.6, marker="o", ms=4, label="dev"
        )
        best = min(dev, key=lambda point: point[1])
        axes.annotate(
            f"best {best[1]:.3f} at step {best[0]}",
            best,
            xytext=(0, 10),
            textcoords="offset points",
            ha="right" if best[0] > (dev[0][0] + dev[-1][0]) / 2 else "left",
            fontsize=8,
            color=DEV,
        )
    axes.set_ylabel("loss (nats per target token)")
    axes.set_ylim(bottom=0)
    if train or dev:
        axes.legend(frameon=False, fontsize=9)


def running_mean(values: Sequence[float], window: int | None = None) -> list[float]:
    """The mean of the last `window` values at each place (a twentieth of them where none is given)."""
    window = window or max(3, len(values) // 20)
    return [
        sum(part) / len(part) for part in (values[max(0, i - window + 1) : i + 1] for i in range(len(values)))
    ]
