"""Where the headers of FASTA say the label and the part of the data: as a key, a field, a word, in brackets.

A rule is written as it is declared: `key NAME` is the value of `NAME=…`, which runs to the next key, to `|`,
`;` or a tab, or to the end, and may be quoted; `first word of key NAME` ends at its first blank; `field N` is
the N-th text between `|`, `word N` the N-th between blanks, both counted from the end where N is negative;
`words N` is all from the N-th word on; `bracket` is what the last `[…]` holds; `whole` is the header.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..splits_words import WORDS

LABEL_KEYS = ("label", "class", "target")

_SPLIT_KEYS = ("split", "set")
_OWN = "|".join((*LABEL_KEYS, *_SPLIT_KEYS, "validation"))
# Headers may be of any length: the time that each search takes grows with it alone, not with its square.
_KEY = re.compile(rf"(?i)(?<!\w)(?:({_OWN})\s*[=:]|([a-z_][\w.\-]*)\s*=(?!=))")
_ENDS = re.compile(r"[|;\t]")
_BRACKET = re.compile(r"\[([^\[\]]*)\]\s*$")
_NO_LABEL = re.compile(r"[\[\]{}]|\w=")
_MOST, _LONGEST = 1000, 1000
_FEW = 20
_GUESSES = ("field -1", "field -2", "word -1", "words 2", "whole")


def pairs(header: str) -> dict[str, str]:
    """The values of the header's keys, which are in small letters; of a key that stands twice, the first."""
    found: dict[str, str] = {}
    if "=" not in header and ":" not in header:
        return found
    keys = list(_KEY.finditer(header))
    if not keys:
        return found
    ends = [key.start() for key in keys[1:]] + [len(header)]
    quoted = -1  # where the last quoted value ended: what looks like a key in it is none
    for key, end in zip(keys, ends, strict=True):
        if key.start() < quoted:
            continue
        value = header[key.end() : end].lstrip(" ")
        if value[:1] in ("'", '"'):
            start = end - len(value) + 1
            close = header.find(value[0], start)
            if close > 0:
                value, quoted = header[start:close], close
                found.setdefault((key[1] or key[2]).lower(), value.strip())
                continue
        if key.start() and header[key.start() - 1] == "[":
            value = value.partition("]")[0]
        found.setdefault((key[1] or key[2]).lower(), _ENDS.split(value, 1)[0].strip(" ,["))
    return found


def find(rule: str, header: str, keys: dict[str, str] | None = None) -> str:
    """What the rule finds in a header; nothing where it finds none. `keys` are `pairs` of the header."""
    kind, _, asked = rule.rpartition(" ")
    match kind:
        case "key" | "first word of key":
            value = (pairs(header) if keys is None else keys).get(asked.lower(), "")
            return value if kind == "key" else value.split(" ", 1)[0].rstrip(",")
        case "field":
            return _at(header.split("|"), int(asked)).strip()
        case "word":
            return _at(header.split(), int(asked))
        case "words":
            return " ".join(header.split()[int(asked) - 1 :])
    if asked == "bracket":
        found = _BRACKET.search(header)
        return found[1].strip() if found else ""
    return header.strip()


def _at(parts: list[str], place: int) -> str:
    index = place - 1 if place > 0 else len(parts) + place
    return parts[index] if 0 <= index < len(parts) else ""


def split_of(keys: dict[str, str], header: str = "") -> str:
    """The word for the part: `split=` or `SET=`, and `VALIDATION=True` of train; or behind the last `|`."""
    said = next((keys[key] for key in _SPLIT_KEYS if keys.get(key)), "") or _last_part(header)
    if "validation" in keys and said.lower() in ("", "train"):
        return "validation" if keys["validation"].lower() in ("true", "1", "yes") else "train"
    return said


def _last_part(header: str) -> str:
    """What stands behind the last `|`, if it is a word for a part, as in `name|label|training`."""
    last = header.rpartition("|")[2].strip() if "|" in header else ""
    return last if last.lower() in WORDS else ""


def in_words(rule: str) -> str:
    """The rule as a sentence says it."""
    kind, _, asked = rule.rpartition(" ")
    return {
        "key": f"the value of {asked}=",
        "first word of key": f"the first word of {asked}=",
        "field": {"-1": "what stands after the last |", "-2": "what stands before the last |"}.get(
            asked, f"field {asked}"
        ),
        "word": "the last word" if asked == "-1" else f"word {asked}",
        "words": f"all from word {asked} on",
    }.get(kind, "the whole header")


@dataclass
class _Values:
    """The different values of a rule; `there` counts headers that have one."""

    there: int = 0
    seen: set[str] = field(default_factory=set)

    def add(self, value: str) -> None:
        self.there += bool(value)
        if value and len(self.seen) <= _MOST:
            self.seen.add(value[:_LONGEST])

    def repeat(self, rows: int) -> bool:
        """Whether they are classes: two or more, that come again."""
        return 2 <= len(self.seen) <= min(max(rows // 2, 2), _MOST)

    @property
    def are_parts(self) -> bool:
        """Whether they say the parts of a split, and no label."""
        return all(value.lower() in WORDS for value in self.seen)

    @property
    def are_quantities(self) -> bool:
        """Whether they are numbers that name no class: too many, with decimals or without repetition."""
        return len(self.seen) > _FEW and all(map(_is_number, self.seen))


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d{1,300}(\.\d{0,300})?|\.\d{1,300})([eE][+-]?\d{1,3})?", text) is not None


class Headers:
    """All headers of a file as they go by, and where they say the label."""

    def __init__(self, declared: str | None = None) -> None:
        self._declared = declared
        self.rows = 0
        self.first = ""
        self.has_split = True
        self.keys: dict[str, None] = {}
        self._first_words = _Values()
        self._values = {f"key {key}": _Values() for key in LABEL_KEYS}
        self._values |= {f"first word of key {key}": _Values() for key in LABEL_KEYS}
        self._guesses = {rule: _Values() for rule in _GUESSES}
        if declared is not None:
            self._values, self._guesses = {declared: _Values()}, {}

    def add(self, header: str) -> None:
        """Take in the next one."""
        self.rows += 1
        self.first = self.first or header
        keys = pairs(header)
        if len(self.keys) < _FEW:
            self.keys |= dict.fromkeys(keys)
        self.has_split = self.has_split and bool(split_of(keys, header))
        self._first_words.add(find("word 1", header))
        if self._declared is not None:
            self._values[self._declared].add(find(self._declared, header, keys))
            return
        for key in LABEL_KEYS:
            if key in keys:
                value = keys[key]
                self._values[f"key {key}"].add(value)
                self._values[f"first word of key {key}"].add(value.split(" ", 1)[0].rstrip(","))
        if self._guesses:
            self._add_guesses(header)

    @property
    def first_words_repeat(self) -> bool:
        """Whether what is usually a name says a class."""
        return self._first_words.repeat(self.rows)

    def _add_guesses(self, header: str) -> None:
        if any(len(values.seen) > 1 for values in self._values.values()):
            self._guesses.clear()  # a key says the label
        for rule in list(self._guesses):
            value = self._guess(rule, header)
            values = self._guesses[rule]
            if value is None or len(values.seen) > _MOST:
                del self._guesses[rule]
            else:
                values.add(value)

    @staticmethod
    def _guess(rule: str, header: str) -> str | None:
        """The value, unless it cannot be a label: keys and brackets say other things."""
        has_field, count = "|" in header, len(header.split(None, 2))
        fits = {"field -1": has_field, "field -2": bool(_last_part(header))}
        fits |= {"word -1": count > 1, "words 2": count > 1, "whole": count == 1}
        value = find(rule, header) if fits[rule] else ""
        return None if not value or len(value) > _LONGEST or _NO_LABEL.search(value) else value

    def rule(self) -> str | None:
        """Where the label is: as declared, a key that says so, else what every header has and repeats."""
        if self._declared is not None:
            return self._declared if len(self._values[self._declared].seen) > 1 else None
        for key in LABEL_KEYS:
            whole, first = self._values[f"key {key}"], self._values[f"first word of key {key}"]
            if len(whole.seen) < 2:
                continue
            # What follows the label may be a description, which differs from header to header.
            described = not whole.repeat(self.rows) and not whole.are_quantities and first.repeat(self.rows)
            return f"first word of key {key}" if described else f"key {key}"
        fitting = [
            rule
            for rule, values in self._guesses.items()
            if values.repeat(self.rows) and not values.are_parts
        ]
        if "words 2" in fitting and fitting[0] in ("word -1", "words 2"):
            return self._words(fitting)
        return next(iter(fitting), None)

    def _words(self, fitting: list[str]) -> str:
        """The whole description, less what all have in common, unless its last word says fewer classes."""
        descriptions = [one.split() for one in self._guesses["words 2"].seen]
        if "word -1" in fitting and len(self._guesses["word -1"].seen) < len(descriptions):
            return "word -1"
        common = 0
        while all(len(one) > common + 1 and one[common] == descriptions[0][common] for one in descriptions):
            common += 1
        return f"words {2 + common}"

    def are_names(self, rule: str) -> bool:
        """Whether the labels name classes; else they are numbers of a regression."""
        values = self._values.get(rule) or self._guesses.get(rule) or _Values()
        if not values.are_quantities:
            return True
        return values.repeat(self.rows) and all(
            "." not in one and "e" not in one.lower() for one in values.seen
        )
