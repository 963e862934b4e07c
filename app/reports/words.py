"""How a report and the pages put things: names of arms, controls and verdicts, numbers, times and sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.reports import charts

ARMS = {
    "transfer": "transfer",
    "control": "control",
    "random_frozen": "random features",
    "source_frozen": "source's features",
    "usual_network": "usual network, from scratch",
    "structure_with_parameters": "found structure, with parameters",
    "random_weights": "preset's architecture, random weights",
    "few_shot": "few-shot points",
    "folds": "all folds of the cross-validation",
    "constant": "one answer for all rows",
}
"""What the page calls the arms; any other keeps its name."""

CONTROLS = {
    "from_scratch": "from scratch",
    "random_weights": "the same procedure from random weights",
    "preset_weights": "the same procedure from the preset's own weights",
    "random_structure": "a random structure of the same size",
    "untrained_teacher": "a student of an untrained teacher",
}
"""What the page calls what the control may be."""

_NAMED = {**CONTROLS, "of_each_fold": "the better candidate of each fold"}
"""The same, and where folds chose different ones."""

CHOSEN_BY = {
    "given": "the one asked for",
    "validation": "the best on the validation rows",
    "cross-validation": "the best on train rows held out in folds",
    "default": "the default, nothing to choose by",
}

VERDICTS = {
    "helped": "The transfer helped",
    "no difference": "The transfer made no difference",
    "hurt": "The transfer hurt",
}

DETAILS = {
    "equivalent": "Transfer and control are equivalent: the interval lies within the margin.",
    "too_few_rows": "No verdict: too few rows to measure on.",
    "control_learnt_nothing": "The control is not shown to be better than one answer for all rows.",
    "neither_beats_one_answer": "Neither is shown to be better than one answer for all rows.",
    "rows_seen": "No verdict: too few rows are left that the source has not seen.",
    "not_comparable": "No verdict: the arms cannot be compared on these rows.",
    "not_converged": "No verdict: an arm was still learning when its training ended, or diverged.",
    "one_seed": "No verdict: each arm was trained with one seed.",
}
"""What the page says of each word of `verdict_details`."""

RECOMMENDED = {
    "transfer": "Use the transfer",
    "control": "Use the control, without the source",
    "baseline": "Use the baseline",
    "train_both": "Train both, and compare them on new rows",
    "label_more": "Label more rows",
}
"""What the page says one should do."""


def cpu_seconds(spent: float) -> str:
    """Seconds of all processors, as exact as their number is worth."""
    return f"{spent:,.{0 if spent >= 100 else 1 if spent >= 1 else 2}f}" if spent else "0"


def number(figure: float | None) -> str:
    """Three significant digits; whole numbers in full."""
    if figure is None:
        return "–"
    return f"{figure:,}" if isinstance(figure, int) else charts.short(figure)


def signed(figure: float) -> str:
    """The same with its sign."""
    return f"{figure:+.3g}".replace("-", "−") if figure else "0"


def percent(share: float | None) -> str:
    """A share as a percentage."""
    return "–" if share is None else f"{share:.1%}".replace(".0%", "%")


def points(difference: float) -> str:
    """A difference of shares in points of a hundred."""
    found = f"{100 * difference:.1f}".removesuffix(".0")
    return f"{found} percentage {'point' if found == '1' else 'points'}"


def between(since: datetime | None, until: datetime | None) -> str:
    """How long it was between two moments."""
    return "–" if since is None or until is None else duration((until - since).total_seconds())


def duration(seconds: float) -> str:
    """Seconds as somebody would say them."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def when(moment: datetime) -> str:
    """A moment, to the minute."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def options(values: Mapping[str, Any]) -> str:
    """Options in one line, those without a value left out."""
    shown = ((name, of) for name, of in values.items() if name != "kind" and of is not None)
    return ", ".join(f"{name} {value(of)}" for name, of in shown)


def value(found: Any) -> str:
    """Any value of JSON in one line."""
    if isinstance(found, Mapping):
        return "; ".join(f"{name} {value(of)}" for name, of in found.items() if of is not None)
    if isinstance(found, Sequence) and not isinstance(found, str):
        return ", ".join(value(one) for one in found) or "none"
    if isinstance(found, bool) or found is None:
        return {True: "yes", False: "no", None: "–"}[found]
    return number(found) if isinstance(found, int | float) else str(found)


def size(count: int) -> str:
    """Bytes in kB or MB."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"


def words(name: str) -> str:
    """A name of the code as words."""
    return name.replace("_", " ")


def unquoted(text: str | None) -> str:
    """A sentence for people, in which names of the API stand without the signs of code."""
    return (text or "").replace("`", "")


FILTERS: dict[str, Callable[..., Any]] = {
    "cpu_seconds": cpu_seconds,
    "arm": lambda name: ARMS.get(name, words(name)),
    "control": lambda name: _NAMED.get(name, words(name)),
    "chosen_by": lambda name: CHOSEN_BY.get(name, name),
    "detail": lambda name: DETAILS[name],
    "recommended": lambda name: RECOMMENDED[name],
    "verdict": lambda name: VERDICTS.get(name, "No verdict"),
    "number": number,
    "signed": signed,
    "percent": percent,
    "when": when,
    "options": options,
    "value": value,
    "words": words,
    "size": size,
    "unquoted": unquoted,
    "duration": duration,
}
"""What templates call them."""
