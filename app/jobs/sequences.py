"""What may a job for translations or questions ask for? What has no meaning is refused, with the reason."""

from __future__ import annotations

from app.errors import ServiceError
from app.jobs.recipes import ParameterTransfer, StructureTransfer
from app.jobs.schemas import JobSpec

_STRATEGIES = {"seq2seq": ("full", "gradual"), "span": ("full",)}
_CALLED = {"seq2seq": "translations", "span": "questions"}

_NOT_OF_SEQUENCES = {
    "linear_probe": "a frozen decoder of another language leaves the output layer nothing to read",
    "lp_ft": "its head is fitted in closed form, which thousands of pieces a place do not allow",
    "lora": "its products of low rank are not built for the two halves",
    "contrastive": "it needs one class a row",
}
_NOT_OF_SPANS = {
    "linear_probe": "a head in closed form is fitted to one answer a row, not to places in a context",
    "lp_ft": "its head is fitted in closed form, to one answer a row and not to places in a context",
    "gradual": "its first phase keeps what the backbone says of every piece of all contexts; "
    "`frozen_layers` with `full` freezes the lower layers",
    "lora": "its products of low rank are not built for windows of a context",
    "contrastive": "it needs one class a row",
}


def check(spec: JobSpec, task: str) -> None:
    """Raise a ServiceError (422) for what does not fit a network that answers texts with texts."""
    method, asked, called = spec.method, spec.evaluation, _CALLED[task]
    if isinstance(method, ParameterTransfer):
        _parameter(method, task)
    elif not (isinstance(method, StructureTransfer) and method.strategy == "reuse"):
        strategy = getattr(method, "strategy", None)
        what = "a decoder" if task == "seq2seq" else "places in a context"
        raise _refused(
            "method",
            f"parameter transfer, or structure transfer with `reuse`, for {called}",
            f"{method.kind} transfer with `{strategy}`",
            f"What a search, an adapter or a teacher would do to {what} is not built.",
            "method_does_not_fit",
        )
    if asked.arms:
        hint = "Leave `arms` out: these ablations freeze or replace a backbone with one answer a row."
        raise _refused(
            "evaluation.arms", f"none for {called}", f"`{asked.arms[0]}`", hint, "arm_does_not_fit"
        )


def _parameter(method: ParameterTransfer, task: str) -> None:
    known, called = _STRATEGIES[task], _CALLED[task]
    if method.strategy not in known:
        why = (_NOT_OF_SEQUENCES if task == "seq2seq" else _NOT_OF_SPANS)[method.strategy]
        hint = f"Use {' or '.join(f'`{one}`' for one in known)}: of `{method.strategy}`, {why}."
        raise _refused(
            "method.strategy",
            f"one of {', '.join(known)} for {called}",
            f"`{method.strategy}`",
            hint,
            "strategy_does_not_fit",
        )
    if method.frozen_side is not None and task == "span":
        hint = "Leave it out: both texts are read together. `frozen_layers` freezes the lower layers."
        raise _refused(
            "method.frozen_side",
            f"none for {called}",
            f"`{method.frozen_side}`",
            hint,
            "strategy_does_not_fit",
        )
    if method.regulariser in ("bss", "co_tuning"):
        hint = "Use `l2_sp`: the others look at one feature vector or one class a row."
        raise _refused(
            "method.regulariser",
            f"`l2_sp` or none for {called}",
            f"`{method.regulariser}`",
            hint,
            "regulariser_does_not_fit",
        )


def _refused(field: str, expected: str, received: str, hint: str, code: str) -> ServiceError:
    return ServiceError(422, code, f"{field}: expected {expected}. Received: {received}.", hint=hint)
