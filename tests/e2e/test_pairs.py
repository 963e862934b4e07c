"""Translations, from the upload of pairs to a file that takes and gives strings."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import pytest

from tests.e2e.conftest import Service
from tests.e2e.test_kinds import predicted, served, succeeded
from tests.plain_python import PlainPython

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]

NETWORK = {"kind": "encoder_decoder", "units": 16, "heads": 2, "blocks": 1, "dropout": 0.0, "max_tokens": 120}
WORDS = (
    ("red", "blue", "green", "old", "new", "small"),
    ("dog", "cat", "bird", "house", "horse"),
    ("runs", "sleeps", "is big", "eats", "sings"),
)


def pairs_file(path: Path, article: str) -> Path:
    """Sentences whose words are turned round; the source's article is its language's."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["source", "target"])
        for words in itertools.product(*WORDS):
            writer.writerow(
                [f"{article} {' '.join(words)}.", f"{' '.join(reversed(words)).capitalize()}, {article}!"]
            )
    return path


def test_a_transfer_between_pairs_ends_with_a_file_that_answers_strings_as_the_service_does(
    service: Service, plain: PlainPython, tmp_path: Path
) -> None:
    service.upload("pairs-source", pairs_file(tmp_path / "a.csv", "the"), kind="pairs")
    service.upload("pairs-target", pairs_file(tmp_path / "b.csv", "le"), kind="pairs")
    ended = succeeded(
        service,
        model="of-pairs",
        source={"dataset": "pairs-source"},
        target={"dataset": "pairs-target"},
        network=NETWORK,
        training={"epochs": 6, "batch_size": 16, "learning_rate": 0.01},
        evaluation={"seeds": 2},
    )
    metrics = ended["result"]["metrics"]["transfer"]
    assert set(metrics) == {"chrf", "bleu", "exact_match", "log_loss"}
    asked = ["le red dog runs.", "le old bird sings."]
    (tmp_path / "asked.csv").write_text("\n".join(["source", *asked]) + "\n")
    version = ended["result"]["version"] if "version" in ended["result"] else ended["version"]
    by_the_file = predicted(service, plain, version, tmp_path, [str(tmp_path / "asked.csv")])
    by_the_service = served(service, version, [{"source": text} for text in asked])
    assert [row["prediction"] for row in by_the_file] == [row["text"] for row in by_the_service]
    assert all(row["prediction"] for row in by_the_file)
