"""Which method a run takes: what fits, and of that the faster."""

from __future__ import annotations

from loresmith.errors import TrainingError
from loresmith.training.planning.hardware import GIB
from loresmith.training.planning.plan import MethodPlan, Plan, hours
from loresmith.training.values import Method

CLOSE = 1.1
"""LoRA computes with the weights as they are: where QLoRA is not this much faster, LoRA is taken."""


def choose_method(plan: Plan) -> tuple[Method, str]:
    """LoRA or QLoRA, and the reason in one sentence or two.

    Raises:
        TrainingError: neither fits; the message says what each needs.
    """
    lora, qlora = plan.method("lora"), plan.method("qlora")
    if lora.fits and qlora.fits:
        if lora.seconds <= qlora.seconds * CLOSE:
            return "lora", (
                f"LoRA fits ({_size(lora)} of {plan.hardware.memory / GIB:.1f} GiB) and is not slower than "
                f"QLoRA: {_how(lora)} {hours(lora.seconds)} against {hours(qlora.seconds)}."
            )
        return "qlora", (
            f"Both fit, and QLoRA is faster: {_how(qlora)} {hours(qlora.seconds)} against "
            f"{hours(lora.seconds)}" + _because(lora, qlora)
        )
    if lora.fits:
        return "lora", f"LoRA fits ({_size(lora)}); QLoRA does not run here: {qlora.obstacle}."
    if qlora.fits:
        return "qlora", f"QLoRA fits ({_size(qlora)}); LoRA does not: {lora.obstacle}."
    raise TrainingError(
        f"{plan.model} cannot be trained on {plan.hardware.describe()}: LoRA {lora.obstacle}; QLoRA "
        f"{qlora.obstacle}.",
        "Take a smaller model, lower training.max_length, or train elsewhere (`loresmith plan --gpu …`).",
    )


def _because(lora: MethodPlan, qlora: MethodPlan) -> str:
    if lora.setup.checkpointing and not qlora.setup.checkpointing:
        return " (LoRA would have to compute its activations twice)."
    return "."


def _size(method: MethodPlan) -> str:
    return f"{method.peak / GIB:.1f} GiB"


def _how(method: MethodPlan) -> str:
    return "measured" if method.measured and method.measured.tokens_per_second else "forecast"
