"""The loss curves of a run as a picture (PNG).

Training loss of each step (pale) and its running mean, the dev loss at each look; below it the share
of dev tokens that are right, by which the weights are chosen (dotted: the step that was kept), and
the learning rate. Reads no weights and opens no window.
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


def draw(steps: Sequence[Step], out: Path, *, title: str, kept: int | None = None) -> None:
    """Write the picture of `steps` to `out`, whole or not at all.

    Args:
        kept: the step whose weights the adapter has, to mark it.

    Raises:
        StorageError: the disk is full, or no permission.
    """
    looks = [step for step in steps if step.dev_accuracy is not None]
    # A style of the user's own (matplotlibrc) must not make the picture unreadable.
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, "backend": "agg"}):
        figure = Figure(figsize=(8, 6 if looks else 5), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        heights = [4, 1.6, 1] if looks else [4, 1]
        above, *between, below = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        _losses(above, steps)
        above.set_title(title, loc="left", fontsize=11)
        for axes in between:
            _accuracy(axes, looks)
        rates = [(s.step, s.learning_rate) for s in steps if s.learning_rate is not None]
        below.plot([x for x, _ in rates], [y for _, y in rates], color=RATE, linewidth=1.2)
        below.set_ylabel("learning rate", fontsize=8)
        below.set_xlabel("step")
        below.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        below.xaxis.set_major_locator(MaxNLocator(integer=True))
        for axes in (above, *between, below):
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
            if kept is not None and looks:
                axes.axvline(kept, color=DEV, linewidth=1, linestyle=":")
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
    axes.set_ylabel("loss (nats per target token)")
    axes.set_ylim(bottom=0)
    if train or dev:
        axes.legend(frameon=False, fontsize=9)


def _accuracy(axes: Any, looks: Sequence[Step]) -> None:
    points = [(s.step, 100 * s.dev_accuracy) for s in looks if s.dev_accuracy is not None]
    axes.plot([x for x, _ in points], [y for _, y in points], color=DEV, linewidth=1.6, marker="o", ms=4)
    best = max(points, key=lambda point: point[1])
    axes.annotate(
        f"best {best[1]:.1f} %",
        best,
        xytext=(-4 if best[0] > points[0][0] else 4, -14),
        textcoords="offset points",
        ha="right" if best[0] > (points[0][0] + points[-1][0]) / 2 else "left",
        fontsize=8,
        color=DEV,
    )
    axes.set_ylabel("dev tokens\nright (%)", fontsize=8)


def running_mean(values: Sequence[float], window: int | None = None) -> list[float]:
    """The mean of the last `window` values at each place (a twentieth of them where none is given)."""
    window = window or max(3, len(values) // 20)
    return [
        sum(part) / len(part) for part in (values[max(0, i - window + 1) : i + 1] for i in range(len(values)))
    ]
