"""Which forms of dates can be declared, and what each of their parts looks like. Imports no pyarrow."""

from __future__ import annotations

import re

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMES = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
PARTS = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d\d)",
    "m": r"(?P<m>0?[1-9]|1[0-2])",
    "d": r"(?P<d>0?[1-9]|[12]\d|3[01])",
    "b": rf"(?P<b>(?i:{'|'.join(MONTHS)}))\.?",
    "B": rf"(?P<b>(?i:{'|'.join(_NAMES)}))",
    "H": r"(?P<H>[01]?\d|2[0-3])",
    "I": r"(?P<I>0?[1-9]|1[0-2])",
    "M": r"(?P<M>[0-5]\d)",
    "S": r"(?P<S>[0-5]\d|60)",
    "p": r"(?P<p>(?i:[ap]\.?m\.?))",
    "f": r"\d+",
    "z": r"(?P<z>Z|[+-]\d\d:?\d\d)",
    "%": "%",
}


def problem_of(date_format: str) -> str | None:
    """Why a form cannot be read by; None if it can."""
    wanted = re.findall(r"%(.?)", date_format)
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        return f"%{unknown[0]}, where {', '.join(f'%{part}' for part in PARTS)} are known"
    if len(wanted) != len(set(wanted)) or {"b", "B"} <= set(wanted):
        return "a part twice"
    if not {"Y", "y"} & set(wanted):
        return "no year (%Y, or %y of two digits)"
    if ("I" in wanted) != ("p" in wanted):
        return "one of %I and %p without the other"
    return None
