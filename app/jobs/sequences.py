"""What may a job for translations ask for? What has no meaning there is refused, with the reason."""

from __future__ import annotations

from app.errors import ServiceError
from app.jobs.recipes import ParameterTransfer, StructureTransfer
from app.jobs.schemas import JobSpec

_STRATEGIES = ("full", "gradual")


def check(spec: JobSpec) -> None:
    """Raise a ServiceError (422) for what does not fit a network that answers texts with texts."""
    method, asked = spec.method, spec.evaluation
    if isinstance(method, ParameterTransfer):
        _parameter(method)
    elif not (isinstance(method, StructureTransfer) and method.strategy == "reuse"):
        strategy = getattr(method, "strategy", None)
        raise _refused(
            "method",
            "parameter transfer, or structure transfer with `reuse`, for translations",
            f"{method.kind} transfer with `{strategy}`",
            "What a search, an adapter or a teacher would do to a decoder is not built.",
            "method_does_not_fit",
        )
    if asked.arms:
        hint = "Leave `arms` out: these ablations freeze or replace a backbone with one answer a row."
        raise _refused(
            "evaluation.arms", "none for translations", f"`{asked.arms[0]}`", hint, "arm_does_not_fit"
        )


def _parameter(method: ParameterTransfer) -> None:
    if method.strategy not in _STRATEGIES:
        why = {
            "linear_probe": "a frozen decoder of another language leaves the output layer nothing to read",
            "lp_ft": "its head is fitted in closed form, which thousands of pieces a place do not allow",
            "lora": "its products of low rank are not built for the two halves",
            "contrastive": "it needs one class a row",
        }[method.strategy]
        hint = f"Use `full` or `gradual`: of `{method.strategy}`, {why}."
        raise _refused(
            "method.strategy",
            f"one of {', '.join(_STRATEGIES)} for translations",
            f"`{method.strategy}`",
            hint,
            "strategy_does_not_fit",
        )
    if method.regulariser in ("bss", "co_tuning"):
        hint = "Use `l2_sp`: the others look at one feature vector or one class a row."
        raise _refused(
            "method.regulariser",
            "`l2_sp` or none for translations",
            f"`{method.regulariser}`",
            hint,
            "regulariser_does_not_fit",
        )


def _refused(field: str, expected: str, received: str, hint: str, code: str) -> ServiceError:
    return ServiceError(422, code, f"{field}: expected {expected}. Received: {received}.", hint=hint)
