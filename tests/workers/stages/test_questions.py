"""A job on questions ends with a version whose file answers by spans of contexts."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from tests.stored import store
from tests.workers.stages.test_control import done
from workers.tasks import Services

NETWORK = {"kind": "span_reader", "units": 8, "heads": 1, "blocks": 1, "dropout": 0.0, "max_tokens": 120}
EPOCHS = {"epochs": 1, "batch_size": 8, "learning_rate": 0.01}


def questions(verb: str) -> bytes:
    """45 questions about 15 passages."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["title", "question", "context", "answer"])
    for number in range(15):
        cities = ("Paris", "Rome", "Bern", "Oslo", "Lima")
        named = {
            thing: cities[(number + place) % 5] for place, thing in enumerate(("tower", "bridge", "inn"))
        }
        context = f"Of town {number * number}: " + " ".join(
            f"The {thing} of no {number} {verb} in {city}." for thing, city in named.items()
        )
        for thing, city in named.items():
            writer.writerow([f"article {number}", f"Where is the {thing} no {number}?", context, city])
    return out.getvalue().encode()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_learnt_of_questions_is_carried_on_from_a_data_set_and_then_from_a_version(
    services: Services,
) -> None:
    with TestClient(create_app(services.settings)) as client:
        for name, verb in (("source", "stands"), ("target", "can be seen")):
            store(client, name, questions(verb), kind="qa")
        asked: dict[str, Any] = {"network": NETWORK, "training": EPOCHS}
        report = done(
            client,
            services,
            source={"dataset": "source", "training": EPOCHS},
            evaluation={"baseline": True},
            **asked,
        )
        result = report["job"]["result"]
        assert list(result["metrics"]) == ["transfer", "control", "baseline", "constant"]
        assert [one["name"] for one in result["baseline"]["candidates"]] == ["similar_sentence"]
        assert set(result["metrics"]["transfer"]) == {"f1", "exact_match"}
        assert 0 < result["metrics"]["baseline"]["f1"] < 1
        files = {(one["arm"], one["format"]) for one in report["artifacts"]}
        assert {("transfer", "bundle"), ("control", "bundle"), ("all", "predictions")} <= files
        page = client.get(f"/v1/jobs/{report['job']['id']}/report", params={"format": "html"})
        assert page.status_code == 200
        bundle = client.get("/v1/models/m@1/download", params={"format": "bundle"}).content
        card = zipfile.ZipFile(io.BytesIO(bundle)).read("README.md").decode()
        assert "questions.csv" in card

        again = done(client, services, source={"version": "m@1"}, evaluation={"control": False}, **asked)
        assert again["lineage"]["source"] == {"version": "m@1"}
        assert again["receipt"]["totals"]["coverage"] == 1
