"""The model card: what the model is, what it takes, how good it is, and what was transferred."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from workers.transfer.data import Column, Signature
from workers.transfer.proof.verdict import NAMED, crossed
from workers.transfer.training.options import Cost

Levels = tuple[int, int]

_USE = """## Use

```
pip install -r requirements.txt
python predict.py FILES > predictions.csv
```

The program reads files as the service read the data set, and refuses what it refused; READS. `--id COLUMN`
(repeatable) or `--all` keeps columns of the file beside the answers; `--help` lists all options.
In `predictions.csv` a class, file name or kept cell that a spreadsheet would run as a formula has a `'`
before it; numbers stay numbers.

Or in Python, strings as object arrays and never None. Inputs are found by name: other keys are ignored, and a
missing key is an error. Keras corrects nothing: the table above says how values must be written.

```python
import keras
import numpy as np
MORE
model = keras.saving.load_model("model.keras")
model.predict({EXAMPLE})
```"""


_USE_FILES = """
Or in Python; `baseline.py` says what the files hold. Strings are object arrays and never None, and nothing is
corrected: the table above says how values must be written.

```python
from pathlib import Path

import numpy as np

from baseline import Baseline

model = Baseline(Path())
model.predict({EXAMPLE})
```"""

_ARMS = {
    "control": "what the transfer was compared with, and knows nothing of the source",
    "baseline": "what a practitioner would use for such data in scikit-learn",
}
"""Whose model it is, if it is not the transfer's."""

_MARKUP = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")
"""What marks text up in Markdown; an underscore does at a word's begin and end."""

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_HTML = re.compile("[&<>]")
_LINKS = re.compile(r"(?<=\w):(?=//)|(?<=\bwww)\.|(?<=\w)@(?=[\w-]+\.\w)", re.IGNORECASE)
"""What Markdown makes links of without being asked."""

_PIXELS = """from pathlib import Path

from pictures import decode
from reading.description import Reading
from reading.rows import RowsFile

# Upright, what is transparent on white, 16 bits of grey as 8: as in training.
rules = json.loads(Path("signature.json").read_text(encoding="utf-8"))["reading"]
(rows,) = RowsFile(Path("picture.png"), Reading.model_validate(rules)).read()
pixels = decode(rows.inputs["image"][0].as_buffer(), CHANNELS)[np.newaxis]
"""

WRITTEN = {
    "number": "number, float32",
    "boolean": "1 for true, 0 for false, float32",
    "category": "text as in the data set, without blanks around it; a whole number as `5`, not `5.0`",
    "date": "text, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS in UTC; of any other form the prediction is NaN",
    "text": "text",
    "nucleotide": "text, letters of DNA or RNA without blanks, ambiguity codes included",
    "protein": "text, letters of amino acids without blanks, ambiguity codes included",
    "image": "array (n, height, width, channels) of pixels 0 to 255, any height and width; of pixels scaled "
    "to 0 to 1, or beyond 0 to 255, the prediction is NaN",
}
"""How plain Keras takes the values of an input, see `written`."""

MISSING = {
    "number": "NaN",
    "boolean": "NaN",
    "category": "the empty string",
    "date": "the empty string",
    "text": "the empty string",
    "nucleotide": "none can be",
    "protein": "none can be",
    "image": "none can be",
}
"""How plain Keras takes a missing value."""

_EXAMPLES = {
    "number": 'np.array([float("nan")], dtype="float32")',
    "boolean": 'np.array([float("nan")], dtype="float32")',
    "text": 'np.array([""], dtype=object)',
    "nucleotide": 'np.array(["ACGT"], dtype=object)',
    "protein": 'np.array(["MKV"], dtype=object)',
}
_READS = {
    "tabular": "CSV, TSV, JSON lines or Parquet",
    "text": "a .txt file, a text a line, or CSV, TSV, JSON lines, Parquet or a zip of .txt files",
    "sequence": "FASTA, CSV, TSV, JSON lines, Parquet or a zip of FASTA files",
    "image": "PNG, JPEG, WebP, GIF and BMP, or a zip of them",
    "pairs": "CSV, TSV, JSON lines or Parquet",
    "qa": "CSV, TSV, JSON lines or Parquet",
}
_NOTES = {
    "tabular": "Any cell may be missing; a category may be one never seen.",
    "text": "Texts of any length; only so many tokens of each are read. The empty text is one too.",
    "sequence": "Sequences in the letters of IUPAC, capitals or not; only so many letters of each are read.",
    "image": "Images of any size, pixels 0 to 255; they are scaled inside of the model.",
    "pairs": "Texts of any length; only so many pieces of each are read. Answers are texts, (n, 1).",
    "qa": "A question and its context; only so many pieces of each are read. Answers are (n, 3): where the "
    "answer begins and ends in the context, in code points as Python counts them, and its score.",
}
_FILES = {
    "tabular": "rows.csv",
    "text": "texts.txt",
    "sequence": "sequences.fa",
    "image": "picture.png",
    "pairs": "sentences.csv",
    "qa": "questions.csv",
}


def written(column: Column, levels: Levels | None = None) -> str:
    """How plain Keras takes the values of a column; `levels` are what became black and white of 16 bits."""
    if column.type != "image":
        return WRITTEN[column.type]
    low, high = levels or (0, 65_535)
    minus = f"(x - {low})" if low else "x"
    return (
        f"{WRITTEN[column.type]}; 16 bits of grey first become 8, round(255 * {minus} / {high - low}), "
        "below 0 as 0, above 255 as 255"
    )


def model_card(
    signature: Signature,
    versions: Mapping[str, str],
    card: Mapping[str, Any],
    channels: int = 3,
    levels: Levels | None = None,
    is_network: bool = True,
) -> str:
    """README.md of a bundle. `card` as in `export.write_bundle`; `channels` and `levels` are of images."""
    sections = [
        _what(signature, card),
        _inputs(signature, levels),
        _use(signature, channels, is_network),
        _proof(card),
        _rows_seen(card.get("rows_seen", {})),
        _folds(card.get("proof")),
        _metrics(card.get("metrics", {}), card.get("signatures", {})),
        _calibration(card.get("calibration")),
        _cost(card.get("cost")),
        _receipt(card.get("receipt", {})),
        _findings(card.get("findings", {})),
        "## Made with\n\n" + _table(["what", "version"], list(versions.items())),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _what(signature: Signature, card: Mapping[str, Any]) -> str:
    facts = [["predicts", f"{signature.label} ({signature.task})"]]
    if signature.classes:
        facts.append(["classes", ", ".join(signature.classes)])
    facts += [[key, card[key]] for key in ("method", "source", "dataset", "seed") if key in card]
    arm = card.get("arm", "transfer")
    if arm != "transfer":
        facts.insert(0, ["model of", f"the {arm}: {_ARMS[arm]}"])
    return f"# {_cell(card.get('name', 'Model'))}\n\n" + _table(["", ""], facts)


def _inputs(signature: Signature, levels: Levels | None) -> str:
    keys = signature.keys
    rows = [
        [column.name, column.type, keys[column.name], written(column, levels), MISSING[column.type]]
        for column in signature.columns
    ]
    header = ["column", "type", "key in Keras", "written", "missing"]
    return f"## Inputs\n\n{_NOTES[signature.kind]}\n\n" + _table(header, rows)


def _use(signature: Signature, channels: int, is_network: bool) -> str:
    use = _USE if is_network else _USE.partition("\nOr in Python")[0] + _USE_FILES
    use = use.replace("READS", f"it takes {_READS[signature.kind]}")
    use = use.replace("FILES", _FILES[signature.kind])
    if signature.kind == "image":
        pixels = _PIXELS.replace("CHANNELS", str(channels))
        use = use.replace("import keras\n", "import json\n\nimport keras\n")
        return use.replace("MORE", pixels).replace("EXAMPLE", '"image": pixels')
    use = use.replace("MORE", "")
    example = ", ".join(
        f"{_literal(signature.keys[column.name])}: {_EXAMPLES.get(column.type, _EXAMPLES['text'])}"
        for column in signature.columns
    )
    return use.replace("EXAMPLE", example)


def _proof(card: Mapping[str, Any]) -> str:
    if "reason" not in card:
        return ""
    words = [_cell(card["reason"])]
    if card.get("verdict") is not None:
        words.insert(0, f"Against {_control(card)}, transfer: **{card['verdict']}**.")
    if card.get("recommendation"):
        words.append(f"**{_cell(card['recommendation'])}**")
    return "## Did the transfer help?\n\n" + " ".join(words)


def _control(card: Mapping[str, Any]) -> str:
    """What the transfer was compared with, in words."""
    proof, own = card.get("proof"), card.get("control")
    names = [own["chosen"]] if own else []
    if proof is not None and proof["kind"] == "cross-validation":
        names = list((proof["chosen"] or {}).get("control", ()))  # that of the version may be another
    if not names:
        return "the control"
    return f"the control ({NAMED[names[0] if len(names) == 1 else 'of_each_fold']})"


def _rows_seen(seen: Mapping[str, Any]) -> str:
    """Which test rows were seen before the comparison, and of what nobody knows it."""
    told = []
    if seen.get("datasets"):
        header = ("data set", "rows", "test rows among them", "validation rows", "of both, nearly equal", "")
        rows = [
            [*(one[name] for name in ("dataset", "rows", "test", "validation", "near")), _doubt(one)]
            for one in seen["datasets"]
        ]
        told.append(
            "The target's test rows that something in the transfer was trained or validated on are in no "
            f"comparison: {seen['test']} of {seen['test_rows']}. Such validation rows chose nothing: "
            f"{seen['validation']} of {seen['validation_rows']}."
        )
        told.append(_table(header, rows))
    for name in seen.get("unknown", ()):
        told.append(f"What {_cell(name)} was trained on is not known: test rows may be among it.")
    return "\n\n".join(["## Rows seen before", *told]) if told else ""


def _doubt(overlap: Mapping[str, Any]) -> str:
    doubtful = overlap["overlap_not_tellable"]
    return "equal rows may be equal by chance, and were not counted" if doubtful else ""


def _folds(proof: Mapping[str, Any] | None) -> str:
    """What the arms came to in a cross-validation, which is not what this network comes to."""
    if proof is None or proof["kind"] != "cross-validation" or not proof["metrics"]:
        return ""
    told = (
        f"In {crossed(proof['folds'], proof['repeats'])} on {proof['rows']} rows every arm was trained anew "
        "without the rows that it then answered. That judges how such a network is made, and the sentences "
        "above are of it; this very network is the one that the metrics on the test rows are of."
    )
    return f"## Metrics in the cross-validation\n\n{told}\n\n{_of_arms(proof['metrics'])}"


def _metrics(metrics: Mapping[str, Any], signatures: Mapping[str, str]) -> str:
    """`metrics` is {arm: {metric: value}}, or {metric: value}; `signatures` are sacrebleu's, by metric."""
    if not metrics:
        return ""
    arms = metrics if all(isinstance(values, Mapping) for values in metrics.values()) else {"model": metrics}
    told = f"## Metrics on the test rows\n\n{_of_arms(arms)}"
    if not signatures:
        return told
    made = "; ".join(f"{name} {_cell(signature)}" for name, signature in signatures.items())
    return f"{told}\n\nMade as sacrebleu makes them, here between 0 and 1: {made}."


def _of_arms(arms: Mapping[str, Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for values in arms.values() for name in values))
    rows = [[name, *(_number(values.get(name)) for values in arms.values())] for name in names]
    return _table(["metric", *arms], rows)


def _calibration(calibration: Mapping[str, Any] | None) -> str:
    """Whether the model's probabilities mean what they say, as it is and with a temperature."""
    if not calibration:
        return ""
    of_model = calibration["transfer"]
    rows = [["as it is", *_measures(of_model["before"])]]
    if of_model["after"] is not None:
        rows.append([f"with the temperature {of_model['temperature']:.4g}", *_measures(of_model["after"])])
    told = (
        "The error is how far probabilities are from the shares that come true: a root mean square over "
        "bins, without what chance adds. It is not told of fewer than 100 test rows."
    )
    return f"## Calibration\n\n{told}\n\n" + _table(("probabilities", "error", "Brier", "NLL"), rows)


def _measures(of: Mapping[str, float | None]) -> list[str]:
    error = of["calibration_error"]
    return ["-" if error is None else _number(error), _number(of["brier"]), _number(of["nll"])]


def _cost(cost: Mapping[str, Any] | None) -> str:
    """What the trainings took, in a line, and what reuse saved."""
    if not cost:
        return ""
    arms = [
        f"{name.replace('_', ' ')} {'taken from before' if spent.get('reused') else _spent(spent)}"
        for name, spent in cost.items()
        if name not in ("total", "saved")
    ]
    line = f"All trainings took {_spent(cost['total'])}: {'; '.join(arms)}."
    return "## Cost\n\n" + " ".join([line, *map(_cell, cost["saved"]["why"])])


def _spent(spent: Mapping[str, Any]) -> str:
    return str(Cost(spent["updates"], spent["cpu_seconds"]))


def _receipt(receipt: Mapping[str, Any]) -> str:
    """One line a weight; what has none has nothing to tell."""
    if not receipt:
        return ""
    header = ("layer", "weight", "origin", "training", "moved", "why")
    rows = [
        [
            f"{layer['part']}/{layer['layer']}",
            f"{weight['name']} {'x'.join(str(size) for size in weight['shape'])}".strip(),
            _origin(weight),
            weight["training"],
            _moved(weight),
            layer["why"],
        ]
        for layer in receipt["layers"]
        for weight in layer["weights"]
    ]
    coverage = f"{receipt['totals']['coverage']:.1%} of the parameters were copied."
    return f"## Receipt\n\n{coverage}\n\n" + _table(header, rows)


def _moved(weight: Mapping[str, Any]) -> str:
    """A share of the start, or of weights that were nearly 0 the distance itself."""
    if weight["moved"] is not None:
        return f"{weight['moved']:.1%}"
    return "-" if weight["distance"] is None else f"by {weight['distance']:.4g}"


def _origin(weight: Mapping[str, Any]) -> str:
    if "share" not in weight:
        return str(weight["origin"])
    new = ", ".join(weight["new"]) or "none"
    return f"{weight['origin']} ({weight['share']:.0%}; new: {new})"


def _findings(findings: Mapping[str, Any]) -> str:
    """What the method tells besides; of a search, the trials in a table."""
    if not findings:
        return ""
    rows = [[name.replace("_", " "), _told(value)] for name, value in findings.items() if name != "trials"]
    sections = ["## What the method found", _table(["", ""], rows)]
    if "trials" in findings:
        header = ("trial", "validation loss", "epochs", "structure")
        trials = [
            [trial["number"], _number(trial["score"]), trial["epochs"], _told(trial["options"])]
            for trial in findings["trials"]
        ]
        sections.append(_table(header, trials))
    return "\n\n".join(sections)


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {_told(of)}" for name, of in value.items())
    if isinstance(value, list):
        return ", ".join(_told(one) for one in value)
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    """Names and texts come from users: they are shown as they are, and are no markup, link or HTML."""
    text = "".join(sign if sign.isprintable() else "\ufffd" for sign in " ".join(str(value).split()))
    text = _HTML.sub(lambda found: _ENTITIES[found[0]], _MARKUP.sub(r"\\\g<0>", text))
    return _LINKS.sub(lambda found: f"&#{ord(found[0])};", text)


def _literal(name: str) -> str:
    """The name as a string of Python that is one line of printable characters, and no markup around it."""
    quoted = json.dumps(name, ensure_ascii=False).replace("<", "\\x3c").replace("`", "\\x60")
    return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in quoted)
