"""The model card: what the model is, what it takes, how good it is, and what was transferred."""

from collections.abc import Mapping, Sequence
from typing import Any

from workers.transfer.data import Signature

_USE = """## Use

```
pip install -r requirements.txt
python predict.py rows.csv > predictions.csv
```

or in Python, strings as object arrays and never None:

```python
import keras
import numpy as np

model = keras.saving.load_model("model.keras")
model.predict({EXAMPLE})
```"""


def model_card(signature: Signature, versions: Mapping[str, str], card: Mapping[str, Any]) -> str:
    """README.md of a bundle. `card` as in `export.write_bundle`."""
    sections = [
        _what(signature, card),
        _inputs(signature),
        _use(signature),
        _proof(card),
        _metrics(card.get("metrics", {})),
        _receipt(card.get("receipt", {})),
        "## Made with\n\n" + _table(["what", "version"], list(versions.items())),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _what(signature: Signature, card: Mapping[str, Any]) -> str:
    facts = [["predicts", f"{signature.label} ({signature.task})"]]
    if signature.classes:
        facts.append(["classes", ", ".join(signature.classes)])
    facts += [[key, card[key]] for key in ("method", "source", "dataset", "seed") if key in card]
    return f"# {card.get('name', 'Model')}\n\n" + _table(["", ""], facts)


def _inputs(signature: Signature) -> str:
    rows = [[column.name, column.type] for column in signature.columns]
    note = "Any cell may be missing; a category may be one never seen."
    return f"## Inputs\n\n{note}\n\n" + _table(["column", "type"], rows)


def _use(signature: Signature) -> str:
    example = ", ".join(
        f'"{column.name}": np.array([float("nan")], dtype="float32")'
        if column.is_numeric
        else f'"{column.name}": np.array([""], dtype=object)'
        for column in signature.columns
    )
    return _USE.replace("EXAMPLE", example)


def _proof(card: Mapping[str, Any]) -> str:
    if "verdict" not in card:
        return ""
    sentence = f"Against the same network trained from scratch, transfer: **{card['verdict']}**."
    return "## Did the transfer help?\n\n" + " ".join([sentence, str(card.get("reason", ""))]).strip()


def _metrics(metrics: Mapping[str, Any]) -> str:
    """`metrics` is {arm: {metric: value}}, or {metric: value}."""
    if not metrics:
        return ""
    arms = metrics if all(isinstance(values, Mapping) for values in metrics.values()) else {"model": metrics}
    names = list(dict.fromkeys(name for values in arms.values() for name in values))
    rows = [[name, *(_number(values.get(name)) for values in arms.values())] for name in names]
    return "## Metrics on the test rows\n\n" + _table(["metric", *arms], rows)


def _receipt(receipt: Mapping[str, Any]) -> str:
    if not receipt:
        return ""
    keys = ("part", "layer", "kind", "origin", "training", "why")
    rows = [[layer[key] for key in keys] for layer in receipt["layers"]]
    coverage = f"{receipt['totals']['coverage']:.1%} of the backbone's and head's parameters were copied."
    return f"## Receipt\n\n{coverage}\n\n" + _table(keys, rows)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    return " ".join(str(value).replace("|", "\\|").split())
