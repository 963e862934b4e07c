"""What the demo transfers, a function a kind of data: from what the dependencies ship."""

from __future__ import annotations

import ast
import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

PER_CLASS = 10
"""Examples of each class of a target that train, and as many that validate; the rest test."""


@dataclass(frozen=True)
class Demo:
    """Files to upload by name, what is said of all of them, and the job."""

    files: dict[str, Path]
    declared: dict[str, str]
    job: dict[str, Any]


def part(place: int) -> str:
    """Where the n-th row of a class goes."""
    if place < PER_CLASS:
        return "train"
    return "validation" if place < 2 * PER_CLASS else "test"


def tabular(folder: Path) -> Demo:
    """Handwritten digits as columns of pixels: 0 to 4 help to tell 5 to 9 apart."""
    files = {}
    for name, first, split in (("digits-0-to-4", 0, False), ("digits-5-to-9", 5, True)):
        files[name] = folder / f"{name}.csv"
        header = [*(f"pixel_{number}" for number in range(64)), "digit", *(["split"] if split else [])]
        rows = ([*pixels.reshape(-1).astype(int), digit, part(n)] for digit, n, pixels in _digits(first))
        _write(files[name], header, (row if split else row[:-1] for row in rows))
    job = {
        "network": {"kind": "mlp", "hidden_units": [64, 64]},
    }
    return _demo(files, {"label": "digit", "task": "multiclass"}, job)


def image(folder: Path) -> Demo:
    """The same digits as pictures in folders, and a convolutional network."""
    files = {}
    for name, first, split in (("digits-0-to-4", 0, False), ("digits-5-to-9", 5, True)):
        files[name] = folder / f"{name}.zip"
        with zipfile.ZipFile(files[name], "w") as archive:
            for digit, place, pixels in _digits(first):
                out = io.BytesIO()
                Image.fromarray((pixels * 255 / 16).astype(np.uint8)).save(out, "PNG")
                above = f"{part(place)}/" if split else ""
                archive.writestr(f"{above}{digit}/{place}.png", out.getvalue())
    job = {
        "network": {"kind": "convnet", "filters": [16, 32], "dense_units": [64], "dropout": 0.2},
    }
    return _demo(files, {}, job)


def text(folder: Path) -> Demo:
    """Which library a docstring is of, from ten examples each: with MiniLM, and without."""
    path = folder / "docstrings.csv"
    draw = np.random.default_rng(0)
    rows = []
    for library in ("keras", "pyarrow", "sklearn", "sqlalchemy"):
        found = sorted({*_docstrings(library)})
        chosen = draw.permutation(len(found))[: 2 * PER_CLASS + 60]
        rows += [[found[row], library, part(place)] for place, row in enumerate(chosen)]
    _write(path, ["text", "library", "split"], rows)
    job = {
        "source": {"preset": "minilm_l6_v2"},
        "method": {"kind": "parameter", "strategy": "linear_probe"},
    }
    return _demo({"docstrings": path}, {"label": "library", "kind": "text"}, job)


def sequence(folder: Path) -> Demo:
    """Antimicrobial peptides and others: do they help to tell anticancer peptides from random ones?"""
    files = {name: folder / f"{name}.csv" for name in ("antimicrobial", "anticancer")}
    target = _peptides("ACP_CancPPD_vs_Random", {"1": "anticancer", "0": "random"})
    # Some peptides are both: what the target tests must not be known from the source.
    known = {letters for letters, _ in target}
    source = _peptides("AMPvsUniProt", {"1": "antimicrobial", "0": "other"})
    rows = [[letters, label] for letters, label in source if letters not in known]
    _write(files["antimicrobial"], ["sequence", "activity"], rows)
    places = {"anticancer": count(), "random": count()}
    marked = [[letters, label, part(next(places[label]))] for letters, label in target]
    _write(files["anticancer"], ["sequence", "activity", "split"], marked)
    return _demo(files, {"label": "activity", "kind": "sequence"}, {})


DEMOS: dict[str, Callable[[Path], Demo]] = {
    "tabular": tabular,
    "image": image,
    "text": text,
    "sequence": sequence,
}


def _demo(files: dict[str, Path], declared: dict[str, str], job: dict[str, Any]) -> Demo:
    names = list(files)
    common = {"source": {"dataset": names[0]}, "target": {"dataset": names[-1]}, "model": names[-1]}
    return Demo(files, declared, {"evaluation": {"control": True}, **common, **job})


def _digits(first: int) -> Iterator[tuple[int, int, Any]]:
    """Digit, place in its class, and pixels (8, 8) from 0 to 16, five digits in drawn order."""
    digits = load_digits()
    draw = np.random.default_rng(0)
    for digit in range(5):
        order = draw.permutation(np.flatnonzero(digits.target == digit))
        later = draw.permutation(np.flatnonzero(digits.target == digit + 5))
        for place, row in enumerate(order if first == 0 else later):
            yield first + digit, place, digits.images[row]


def _peptides(name: str, labels: dict[str, str]) -> list[tuple[str, str]]:
    """A table of modlAMP's (Müller et al. 2017), each peptide once, in drawn order; it is not imported."""
    spec = find_spec("modlamp")
    assert spec is not None
    assert spec.origin is not None
    text = (Path(spec.origin).parent / "data" / f"{name}.csv").read_text(encoding="utf-8")
    _, *rows = csv.reader(text.splitlines())  # the first line counts the rows
    found = {letters.strip().upper(): labels[label.strip()] for letters, label in rows}
    order = np.random.default_rng(0).permutation(len(found))
    peptides = list(found.items())
    return [peptides[row] for row in order]


def _docstrings(library: str) -> Iterator[str]:
    """First sentences of the library's docstrings, its name left out; nothing of it is imported."""
    spec = find_spec(library)
    assert spec is not None
    assert spec.origin is not None
    for path in Path(spec.origin).parent.rglob("*.py"):
        if "test" in str(path):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (doc := ast.get_docstring(node)):
                sentence = " ".join(doc.split("\n\n")[0].split())
                sentence = re.sub(rf"(?i)\b{library}\b", "it", sentence)
                if 6 <= len(sentence.split()) <= 40:
                    yield sentence


def _write(path: Path, header: list[str], rows: Any) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
