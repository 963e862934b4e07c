"""Questions about passages, from the upload to a file that takes strings and answers spans."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.e2e.conftest import Service
from tests.e2e.test_kinds import predicted, served, succeeded
from tests.plain_python import PlainPython
from tests.workers.stages.test_questions import EPOCHS, NETWORK, questions

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]


def test_a_transfer_between_questions_ends_with_a_file_that_answers_spans_as_the_service_does(
    service: Service, plain: PlainPython, tmp_path: Path
) -> None:
    for name, verb in (("qa-source", "stands"), ("qa-target", "can be seen")):
        (tmp_path / f"{name}.csv").write_bytes(questions(verb))
        service.upload(name, tmp_path / f"{name}.csv", kind="qa")
    ended = succeeded(
        service,
        model="of-questions",
        source={"dataset": "qa-source"},
        target={"dataset": "qa-target"},
        network=NETWORK,
        training=EPOCHS,
        evaluation={"seeds": 2},
    )
    assert set(ended["result"]["metrics"]["transfer"]) == {"f1", "exact_match"}
    context = "Cafe\u0301 \U0001f600: the tower of no 3 stands in Bäle,\r\nthe inn of no 3 in Rome."
    asked = [{"question": f"Where is the {one} no 3?", "context": context} for one in ("tower", "inn")]
    with (tmp_path / "asked.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["question", "context"])
        writer.writeheader()
        writer.writerows(asked)
    version = ended["result"]["version"] if "version" in ended["result"] else ended["version"]
    by_the_file = predicted(service, plain, version, tmp_path, [str(tmp_path / "asked.csv")])
    by_the_service = served(service, version, asked)
    for row, one in zip(by_the_file, by_the_service, strict=True):
        assert one["text"] == context[one["start"] : one["end"]] != ""
        assert (row["prediction"], int(row["start"]), int(row["end"])) == (
            one["text"],
            one["start"],
            one["end"],
        )
        assert float(row["score"]) == pytest.approx(one["score"], rel=1e-3)
        assert 0 < one["score"] <= 1
