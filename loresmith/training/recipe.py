"""The training loop: setup, train, look at the dev split, save, clean up. One straight file.

    base + rows + recipe -> adapter attached -> steps -> best weights -> adapter_model.safetensors

Promises: a run that is killed at any moment and resumed gives the same losses and the same weights, to
the last bit on a CPU; where memory runs out the micro-batch is halved and the step done again, so that
the effective batch stays; the weights that are saved are those that say most of the dev split; nothing is
written under `out` but the adapter's own two files and `checkpoint/`.
"""

from __future__ import annotations

import contextlib
import logging
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loresmith.config import TrainingSection
from loresmith.errors import MissingExtra, TrainingError
from loresmith.training import adapter, checkpoint, defaults, fast, memory, packing
from loresmith.training.base import Base, out_of_memory
from loresmith.training.distributed import Group
from loresmith.training.loss import completion_loss, completion_scores
from loresmith.training.optimiser import FlatAdamW
from loresmith.training.values import OnStep, Recipe, Row, Step

try:
    import torch
except ImportError as missing:
    raise MissingExtra("Training", missing.name or "torch", "train") from missing

log = logging.getLogger(__name__)

# Steps in a row whose gradient is not a number: the run is lost, not unlucky.
_HOPELESS = 10
# fp16 gradients are scaled up by this so that small ones are not flushed to zero.
_FP16_SCALE = 1024.0


@dataclass(frozen=True)
class RecipeResult:
    """What `train` came to.

    Attributes:
        model: the PEFT model with the best weights in it.
        steps: optimiser steps done.  best_step: the step whose weights were saved.
        tokens: seen in training, repeats counted.  seconds: of training, over all resumes.
        loss: "train" (mean of the last pass), "dev" (at the best look; None without a dev split).
        history: every step and look, over all resumes.
        stopped: "", "dev accuracy" or "interrupted".
    """

    model: Any
    steps: int
    best_step: int
    tokens: int
    seconds: float
    peak_memory_bytes: int
    loss: dict[str, float | None]
    history: tuple[Step, ...]
    stopped: str = ""
    notes: tuple[str, ...] = ()

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0


@dataclass
class _Progress:
    """Where the run stands; everything a checkpoint keeps beside tensors."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    micro_tokens: int = 0
    checkpointing: bool = False
    best: float = math.inf
    best_right: float = -1.0
    best_step: int = 0
    worse: int = 0
    stopped: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def resolve(settings: TrainingSection, base: Base, rows: Sequence[Row]) -> Recipe:
    """Every value of a run on `base` with `rows`; see `defaults.resolve`.

    Raises:
        DatasetError: no rows.  TrainingError: the model lacks a module of training.targets.
    """
    return defaults.resolve(
        settings,
        model=base.name,
        method=base.method,
        precision=base.precision,
        hidden=base.model.config.get_text_config().hidden_size,
        targets=adapter.targets_of(base.model, settings.targets),
        lengths=[len(row.ids) for row in rows],
        device=base.device,
    )


def train(
    base: Base,
    rows: Sequence[Row],
    dev_rows: Sequence[Row],
    recipe: Recipe,
    *,
    out: Path,
    resume: bool = False,
    on_step: OnStep | None = None,
    stop: Callable[[], bool] = lambda: False,
    group: Group | None = None,
) -> RecipeResult:
    """Train an adapter for `base` on `rows` and save it in `out`.

    Args:
        dev_rows: looked at every `recipe.eval_every` steps; without them nothing stops early.
        resume: go on from the checkpoint under `out`, where there is one.
        stop: asked before each micro-batch; True writes a checkpoint and returns "interrupted".

    Raises:
        TrainingError: no adapter could be attached, memory ran out at the smallest micro-batch, the
            loss is not a number, or a checkpoint cannot be written.
    """
    alone = group is None or group.world == 1
    run = _Run(
        base, rows, dev_rows, recipe, out, on_step or (lambda step: None), stop, None if alone else group
    )
    with fast.speed_up(run.model) as speed:
        if speed.why:
            log.warning("This model trains without the faster operations: %s.", speed.why)
        if resume:
            run.restore()
        while run.at.step < recipe.steps and not run.at.stopped:
            run.one_step()
    return run.finish()


class _Run:
    """The state of one call of `train`."""

    def __init__(
        self,
        base: Base,
        rows: Sequence[Row],
        dev_rows: Sequence[Row],
        recipe: Recipe,
        out: Path,
        on_step: OnStep,
        stop: Callable[[], bool],
        group: Group | None,
    ) -> None:
        self.base, self.rows, self.dev_rows, self.recipe = base, rows, dev_rows, recipe
        self.out, self.on_step, self.stop, self.group = out, on_step, stop, group
        torch.manual_seed(recipe.seed)
        self.model = adapter.attach(base, recipe)
        if group:
            group.agree("recipe", repr(_comparable(recipe)))
            group.agree("dataset", packing.digest([*rows, *dev_rows]))
            group.wrap(self.model)
            base.device = group.device
        self.optimiser = FlatAdamW(
            [p for p in self.model.parameters() if p.requires_grad], weight_decay=recipe.weight_decay
        )
        self.at = _Progress(micro_tokens=recipe.micro_tokens)
        if recipe.checkpointing:
            self._checkpoint_activations()
        self.best: Any = None
        self.scale = _FP16_SCALE if recipe.precision == "fp16" else 1.0
        self.lost = 0
        self.saved = time.monotonic()
        self._epoch: tuple[int, list[list[int]]] = (-1, [])
        self._start = 0
        if base.device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(base.device)

    # --- one step -----------------------------------------------------------------------------------

    def one_step(self) -> None:
        clock = time.perf_counter()
        self.model.train()
        # Together, or the others would wait for one that has left.
        leave = self.group is not None and self.group.any(self.stop())
        batch, loss = (None, 0.0) if leave else self._gradient()
        if batch is None:
            self.at.stopped = "interrupted"
            self._save()
            return
        rate = self._rate(self.at.step)
        norm = self.optimiser.step(learning_rate=rate, clip=self.recipe.clip)
        self._expect_finite(loss, norm)
        self.at.step += 1
        self.at.tokens += batch.tokens
        seconds = time.perf_counter() - clock
        self.at.seconds += seconds
        self._tell(
            Step(
                step=self.at.step,
                loss=loss,
                learning_rate=rate,
                gradient_norm=norm,
                tokens=batch.tokens,
                seconds=seconds,
            )
        )
        if self.at.step % self.recipe.eval_every == 0 or self.at.step == self.recipe.steps:
            self._look()
        # Before a checkpoint, which takes memory of its own.
        memory.give_back()
        # The first process's clock decides, since saving is no common step of all.
        if time.monotonic() - self.saved >= self.recipe.checkpoint_seconds and not self.at.stopped:
            self._save()

    def _gradient(self) -> tuple[packing.Batch | None, float]:
        """The gradient of the step's mean loss, in the optimiser; (None, 0) when asked to stop."""
        while True:
            batch = self._batch()
            try:
                total = self._backward(batch)
                if total is None:
                    self.optimiser.clear()
                    return None, 0.0
                if self.group:
                    self.group.sum(self.optimiser.gradient)
                    self.group.sum(total)
                return batch, float(total) / max(1, batch.targets)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                failed = error
            # Outside of the handler, whose traceback keeps the activations alive.
            del failed
            self.optimiser.clear()
            self._shrink(batch)

    def _backward(self, batch: packing.Batch) -> Any:
        total = torch.zeros((), device=self.base.device)
        share = self.scale / max(1, batch.targets)
        for micro in batch.micros:
            if self.group is None and self.stop():
                return None
            loss = completion_loss(self.model, micro)
            (loss * share).backward()
            total += loss.detach()
        if self.scale != 1.0:
            self.optimiser.gradient.mul_(1 / self.scale)
        return total

    def _batch(self) -> packing.Batch:
        """The batch of the step that comes next: a function of the step's number alone."""
        while self.at.step >= self._start + len(self._epoch[1]) or self.at.step < self._start:
            number = self._epoch[0] + 1
            self._start += len(self._epoch[1])
            self._epoch = (
                number,
                packing.steps(
                    self.rows, batch_tokens=self.recipe.batch_tokens, seed=self.recipe.seed, epoch=number
                ),
            )
        members = self._epoch[1][self.at.step - self._start]
        return packing.batch(
            [self.rows[i] for i in members],
            micro_tokens=self.at.micro_tokens,
            world=self.group.world if self.group else 1,
            rank=self.group.rank if self.group else 0,
        )

    def _rate(self, step: int) -> float:
        recipe = self.recipe
        warm = round(recipe.warmup * recipe.steps)
        if step < warm:
            return recipe.learning_rate * (step + 1) / warm
        done = (step - warm) / max(1, recipe.steps - warm)
        factor = {"cosine": 0.5 * (1 + math.cos(math.pi * done)), "linear": 1 - done, "constant": 1.0}
        return recipe.learning_rate * factor[recipe.schedule]

    def _expect_finite(self, loss: float, norm: float) -> None:
        self.lost = 0 if math.isfinite(loss) and math.isfinite(norm) else self.lost + 1
        if self.scale > 1.0 and not math.isfinite(norm):
            self.scale /= 2
        if self.lost >= _HOPELESS:
            raise TrainingError(
                f"The loss was not a number for {_HOPELESS} steps (step {self.at.step}).",
                "Lower training.learning_rate, or set training.precision = fp32.",
            )

    def _shrink(self, batch: packing.Batch) -> None:
        """Make the next try smaller, or give up."""
        largest = max((len(micro.ids) for micro in batch.micros), default=0)
        longest = max((int(max(m.starts[1:] - m.starts[:-1])) for m in batch.micros), default=0)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if self.group and self.group.world > 1:
            raise TrainingError(
                f"No memory left for a micro-batch of {largest} tokens in one of several processes.",
                "Lower training.micro_tokens, then go on with --resume.",
            )
        if largest > longest:
            self.at.micro_tokens = max(longest, largest // 2)
            self._note(f"memory ran out: micro-batches of at most {self.at.micro_tokens} tokens from here on")
        elif not self.at.checkpointing:
            self._checkpoint_activations()
            self._note("memory ran out: activations are computed again instead of kept from here on")
        else:
            raise TrainingError(
                f"No memory left for one row of {longest} tokens.",
                "Lower training.max_length, take --method qlora or a smaller model.",
            )

    def _checkpoint_activations(self) -> None:
        self.at.checkpointing = True
        inner = self.model.get_base_model()
        # The name until transformers 5.2, gone in 6.
        enable: Any = getattr(inner, "activation_checkpointing_enable", None)
        (enable or inner.gradient_checkpointing_enable)({"use_reentrant": False})

    # --- looking, telling ---------------------------------------------------------------------------

    def _look(self) -> None:
        """The dev split: keeps the weights that say most of its tokens, stops when no more come for long.

        Not those with the least loss: it rises with the model's confidence while facts are still learnt.
        """
        if not self.dev_rows:
            return
        clock = time.perf_counter()
        loss, right = judge(self.model, self.dev_rows, micro_tokens=self.at.micro_tokens, group=self.group)
        seconds = time.perf_counter() - clock
        self._tell(Step(step=self.at.step, dev_loss=loss, dev_accuracy=right, seconds=seconds))
        more = right > self.at.best_right
        if more or (right == self.at.best_right and loss < self.at.best):
            self.at.best, self.at.best_right, self.at.best_step = loss, right, self.at.step
            self.best = self.optimiser.master.clone()
        self.at.worse = 0 if more else self.at.worse + 1
        if self.recipe.patience and self.at.worse >= self.recipe.patience:
            self.at.stopped = "dev accuracy"

    def _tell(self, step: Step) -> None:
        self.at.history.append(step.to_dict())
        self.on_step(step)

    def _note(self, text: str) -> None:
        self.at.notes.append(f"step {self.at.step + 1}: {text}")

    # --- keeping ------------------------------------------------------------------------------------

    def _save(self) -> None:
        self.saved = time.monotonic()
        if self.group and self.group.rank:
            return
        tensors = {f"optimiser.{k}": v for k, v in self.optimiser.tensors().items()}
        tensors |= checkpoint.random_state(self.base.device)
        if self.best is not None:
            tensors["best"] = self.best
        facts = {
            **vars(self.at),
            "stopped": "" if self.at.stopped == "interrupted" else self.at.stopped,
            "best": None if math.isinf(self.at.best) else self.at.best,
            "recipe": _comparable(self.recipe),
            "base": self.base.fingerprint,
            "rows": len(self.rows),
            "scale": self.scale,
            "threads": torch.get_num_threads(),
        }
        checkpoint.save_state(self.out, self.at.step, tensors, facts)

    def restore(self) -> None:
        """Go on from the newest checkpoint, if there is one.

        Raises:
            TrainingError: it belongs to another recipe, base or dataset.
        """
        loaded = checkpoint.load_state(self.out)
        if self.group:
            self.group.agree("checkpoint", str(loaded and loaded[1]["step"]))
        if loaded is None:
            return
        tensors, facts = loaded
        expected = {
            "recipe": _comparable(self.recipe),
            "base": self.base.fingerprint,
            "rows": len(self.rows),
        }
        changed = [key for key, value in expected.items() if facts.pop(key) != value]
        if changed:
            raise TrainingError(
                f"The checkpoint under {self.out} was made with another {' and '.join(changed)}.",
                "Train anew without --resume, or set back what was changed.",
            )
        self.scale = facts.pop("scale")
        threads = facts.pop("threads")
        if self.base.device == "cpu" and threads != torch.get_num_threads():
            # Sums are split by thread: the same number gives the same last bit.
            torch.set_num_threads(threads)
        facts["best"] = math.inf if facts["best"] is None else facts["best"]
        self.at = _Progress(**facts)
        prefix = "optimiser."
        self.optimiser.restore(
            {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        )
        self.best = tensors.get("best")
        if self.best is not None:
            self.best = self.best.to(self.optimiser.master.device)
        checkpoint.restore_random_state(tensors, self.base.device)
        if self.at.checkpointing:
            self._checkpoint_activations()

    def finish(self) -> RecipeResult:
        """Put the best weights in and save them, unless the run was interrupted."""
        if self.at.stopped != "interrupted":
            if self.best is not None:
                self.optimiser.master.copy_(self.best)
                self.optimiser.round()
            # What is left of a kill between this and the adapter's files is resumed, not lost.
            self._save()
            if not (self.group and self.group.rank):
                save_adapter(self.model, self.base, self.out)
        self.model.eval()
        at = self.at
        lasting = [s["loss"] for s in at.history if s.get("loss") is not None][-self.recipe.eval_every :]
        return RecipeResult(
            model=self.model,
            steps=at.step,
            best_step=at.best_step or at.step,
            tokens=at.tokens,
            seconds=at.seconds,
            peak_memory_bytes=memory.peak(self.base.device),
            loss={
                "train": sum(lasting) / len(lasting) if lasting else None,
                "dev": None if math.isinf(at.best) else at.best,
            },
            history=tuple(Step(**s) for s in at.history),
            stopped=at.stopped,
            notes=tuple(at.notes),
        )


def evaluate(model: Any, rows: Sequence[Row], *, micro_tokens: int, group: Group | None = None) -> float:
    """Mean loss in nats per target token, without dropout; the model is left in training mode."""
    return judge(model, rows, micro_tokens=micro_tokens, group=group)[0]


def judge(
    model: Any, rows: Sequence[Row], *, micro_tokens: int, group: Group | None = None
) -> tuple[float, float]:
    """Mean loss per target token, and the share of target tokens that are the model's likeliest."""
    world, rank = (group.world, group.rank) if group else (1, 0)
    batch = packing.batch(rows, micro_tokens=micro_tokens, world=world, rank=rank)
    model.eval()
    try:
        scores = [completion_scores(model, micro) for micro in batch.micros]
        device = next(model.parameters()).device
        total = torch.stack(scores).sum(dim=0) if scores else torch.zeros(2, device=device)
        if group:
            group.sum(total)
    finally:
        model.train()
    loss, right = (total / max(1, batch.targets)).tolist()
    return loss, right


def save_adapter(model: Any, base: Base, out: Path) -> None:
    """adapter_model.safetensors and adapter_config.json in `out`; a kill leaves no half file."""
    making = out / ".adapter"
    try:
        shutil.rmtree(making, ignore_errors=True)
        model.peft_config["default"].base_model_name_or_path = base.name
        model.save_pretrained(making, save_embedding_layers=False)
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            (making / name).replace(out / name)
    except OSError as error:
        raise TrainingError(
            f"{out}: the adapter cannot be written: {error.strerror}.",
            "Free some space, then go on with `loresmith train --resume`.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(making, ignore_errors=True)


def _comparable(recipe: Recipe) -> dict[str, Any]:
    """What must not change between a checkpoint and its resume; micro-batches may, as memory may."""
    free = ("micro_tokens", "checkpointing", "checkpoint_seconds")
    return {k: list(v) if isinstance(v, tuple) else v for k, v in recipe.to_dict().items() if k not in free}
