from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from app.datasets.inspection.inspect_file import inspect
from app.datasets.reading.declaration import Declaration
from examples.data import DEMOS, PER_CLASS, sequence


# The texts are cut out of thousands of source files, which takes long.
@pytest.mark.parametrize("kind", [kind for kind in DEMOS if kind != "text"])
def test_every_demo_uploads_what_is_accepted_and_trains_on_ten_examples_of_each_class(
    kind: str, tmp_path: Path
) -> None:
    demo = DEMOS[kind](tmp_path)
    inspected = {
        name: inspect(path, Declaration(filename=path.name, **demo.declared))
        for name, path in demo.files.items()
    }
    target = inspected[demo.job["target"]["dataset"]].description
    assert target.kind == kind
    assert target.split.rows["train"] == PER_CLASS * len(target.classes)
    assert target.split.rows["validation"] == PER_CLASS * len(target.classes)
    assert target.split.rows["test"] >= 200
    assert demo.job["evaluation"] == {"control": True}


def test_no_peptide_of_the_target_is_known_from_the_source(tmp_path: Path) -> None:
    demo = sequence(tmp_path)
    seen = []
    for path in demo.files.values():
        with path.open(newline="") as file:
            seen.append([row["sequence"] for row in csv.DictReader(file)])
    source, target = map(set, seen)
    assert [len(source), len(target)] == [len(rows) for rows in seen]
    assert not source & target


def test_the_package_of_the_peptides_is_read_and_not_imported(tmp_path: Path) -> None:
    sequence(tmp_path)
    assert "modlamp" not in sys.modules
