"""Curves for an experiment tracker of the user's own, live: MLflow, Weights & Biases, trackio.

Optional, beside the run's own record and never instead of it. Promises: a tracker that fails is
said once and left; it never stops or slows a training. Nothing leaves the machine unless the
tracker's own environment says where to (MLFLOW_TRACKING_URI, a W&B key, TRACKIO_SPACE_ID); without
that the curves lie in the workspace. A resumed run goes on under the same name.
"""

from __future__ import annotations

import contextlib
import logging
import netrc
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from loresmith.errors import LoresmithError, MissingExtra, TrainingError
from loresmith.training.values import Step

log = logging.getLogger(__name__)

Log = Callable[[int, Mapping[str, float]], None]
"""`log(step, values)`."""
End = Callable[[bool], None]
"""`end(finished)`: False where the run was interrupted and may go on."""

# Between two requests to a server that may be far away.
_FLUSH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Opened:
    log: Log
    end: End


class Tracker:
    """An open run at a tracker."""

    def __init__(self, name: str, opened: _Opened) -> None:
        self.name = name
        self._opened: _Opened | None = opened

    def step(self, step: Step) -> None:
        values = {
            "loss": step.loss,
            "dev_loss": step.dev_loss,
            "dev_accuracy": step.dev_accuracy,
            "learning_rate": step.learning_rate,
            "gradient_norm": step.gradient_norm,
        }
        known = {key: value for key, value in values.items() if value is not None}
        if self._opened is not None and known:
            self._safely(lambda opened: opened.log(step.step, known))

    def end(self, step: int, figures: Mapping[str, float], *, finished: bool) -> None:
        """The figures that stand at the end, and good-bye."""
        if self._opened is not None and figures:
            self._safely(lambda opened: opened.log(step, figures))
        self._safely(lambda opened: opened.end(finished))
        self._opened = None

    def _safely(self, act: Callable[[_Opened], None]) -> None:
        if self._opened is None:
            return
        try:
            with contextlib.redirect_stdout(sys.stderr):
                act(self._opened)
        # Whatever a tracker raises, hours of training are worth more; it is said, once.
        except Exception as error:  # noqa: BLE001
            log.warning("%s gets no more curves: %s. The training goes on.", self.name, error)
            self._opened = None


def start(name: str, run: str, *, project: str, settings: Mapping[str, Any], folder: Path) -> Tracker | None:
    """Open `run` at the tracker `name`; None for "none".

    Args:
        settings: what the run was made of (recipe, dataset, model), shown beside the curves.
        folder: where curves lie that go nowhere else.

    Raises:
        MissingExtra: the tracker's package is not installed.
        TrainingError: the tracker cannot be opened (wrong address, no permission).
    """
    if name == "none":
        return None
    flat = {k: v if isinstance(v, (int, float, str, bool)) else str(v) for k, v in settings.items()}
    project = re.sub(r"[^A-Za-z0-9_-]+", "-", project).strip("-") or "loresmith"
    try:
        # Their greetings must not stand in what a script reads.
        with contextlib.redirect_stdout(sys.stderr):
            return Tracker(name, _OPEN[name](run, project, flat, folder))
    except LoresmithError:
        raise
    # Each raises errors of its own, the HTTP client's and the operating system's.
    except Exception as error:
        raise TrainingError(
            f"The tracker {name} cannot be opened: {error}.",
            'Correct its settings, or train with training.tracker = "none".',
        ) from error


def _mlflow(run: str, project: str, settings: Mapping[str, Any], folder: Path) -> _Opened:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        # Files need no further package; MLflow asks to be told that this is meant.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        uri = (folder / "mlruns").as_uri()
    try:
        import mlflow
        from mlflow.entities import Metric, Param
    except ImportError as missing:
        raise MissingExtra("Curves in MLflow", missing.name or "mlflow", "mlflow") from missing
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(project)
    id_ = experiment.experiment_id if experiment else client.create_experiment(project)
    known = client.search_runs([id_], f"tags.loresmith = '{run}'", max_results=1)
    if known:
        opened = known[0].info.run_id
        client.update_run(opened, status="RUNNING")
    else:
        opened = client.create_run(id_, run_name=run, tags={"loresmith": run}).info.run_id
        client.log_batch(opened, params=[Param(key, str(value)) for key, value in settings.items()])
    waiting: list[Any] = []
    flushed = time.monotonic()

    def flush() -> None:
        nonlocal flushed
        # A request takes at most 1,000 metrics.
        for first in range(0, len(waiting), 1000):
            client.log_batch(opened, metrics=waiting[first : first + 1000])
        waiting.clear()
        flushed = time.monotonic()

    def write(step: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        waiting.extend(Metric(key, value, now, step) for key, value in values.items())
        if time.monotonic() - flushed >= _FLUSH_SECONDS:
            flush()

    def end(finished: bool) -> None:
        flush()
        client.set_terminated(opened, "FINISHED" if finished else "KILLED")

    return _Opened(write, end)


def _wandb(run: str, project: str, settings: Mapping[str, Any], folder: Path) -> _Opened:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        import wandb
    except ImportError as missing:
        raise MissingExtra("Curves in Weights & Biases", missing.name or "wandb", "wandb") from missing
    # Without a key it would ask at the terminal; then the curves stay here (`wandb sync` sends them).
    mode = os.environ.get("WANDB_MODE") or ("online" if _wandb_key() else "offline")
    opened = wandb.init(
        project=project,
        id=run,
        name=run,
        config=dict(settings),
        dir=str(folder),
        resume="allow",
        mode=mode,
        settings=wandb.Settings(console="off", silent=True, save_code=False),
    )
    return _Opened(
        lambda step, values: opened.log(dict(values), step=step),
        lambda finished: opened.finish(exit_code=0 if finished else 255),
    )


def _wandb_key() -> bool:
    """Whether `wandb login` has left a key here, or the environment holds one."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    path = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        return path.is_file() and netrc.netrc(path).authenticators(host) is not None
    except netrc.NetrcParseError as error:
        raise TrainingError(f"{path} cannot be read: {error}.", "Mend that line.") from error


def _trackio(run: str, project: str, settings: Mapping[str, Any], folder: Path) -> _Opened:
    os.environ.setdefault("TRACKIO_DIR", str(folder / "trackio"))
    try:
        import trackio
    except ImportError as missing:
        raise MissingExtra("Curves in trackio", missing.name or "trackio", "trackio") from missing
    opened = trackio.init(project, name=run, config=dict(settings), resume="allow", embed=False)
    return _Opened(
        lambda step, values: opened.log(dict(values), step=step), lambda finished: trackio.finish()
    )


_OPEN: Mapping[str, Callable[[str, str, Mapping[str, Any], Path], _Opened]] = {
    "mlflow": _mlflow,
    "wandb": _wandb,
    "trackio": _trackio,
}
