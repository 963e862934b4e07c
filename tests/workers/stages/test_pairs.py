"""A job on translations ends with a version, a card and a report that shows them."""

from __future__ import annotations

import csv
import io
import itertools
import zipfile
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from tests.stored import store
from tests.workers.stages.test_control import done
from workers.tasks import Services

NETWORK = {"kind": "encoder_decoder", "units": 8, "heads": 1, "blocks": 1, "dropout": 0.0, "max_tokens": 64}
EPOCHS = {"epochs": 1, "batch_size": 16, "learning_rate": 0.01}


def pairs(article: str) -> bytes:
    """45 sentences whose words are turned round; the article is the language's."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["source", "target"])
    words = itertools.product(
        ("red", "old", "new"), ("dog", "cat", "bird", "cow", "owl"), ("is", "ran", "sat")
    )
    for some in words:
        writer.writerow([f"{article} {' '.join(some)}", f"{' '.join(reversed(some))} {article}"])
    return out.getvalue().encode()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_translations_are_carried_on_from_a_data_set_and_then_from_a_version(services: Services) -> None:
    with TestClient(create_app(services.settings)) as client:
        for name, article in (("source", "the"), ("target", "le")):
            store(client, name, pairs(article), kind="pairs")
        asked: dict[str, Any] = {"network": NETWORK, "training": EPOCHS}
        report = done(
            client,
            services,
            source={"dataset": "source", "training": EPOCHS},
            evaluation={"baseline": True},
            **asked,
        )
        result, evaluation = report["job"]["result"], report["evaluation"]
        assert list(result["metrics"]) == ["transfer", "control", "baseline", "constant"]
        assert {one["name"] for one in result["baseline"]["candidates"]} == {"copy_source", "nearest_target"}
        assert result["metrics"]["baseline"]["log_loss"] is None
        assert 0 < result["metrics"]["baseline"]["chrf"] < 1
        listed = evaluation["translations"]["best"] + evaluation["translations"]["worst"]
        assert all(set(one["answers"]) == set(result["metrics"]) for one in listed)
        files = {(one["arm"], one["format"]) for one in report["artifacts"]}
        assert {("transfer", "bundle"), ("control", "bundle"), ("all", "predictions")} <= files
        page = client.get(f"/v1/jobs/{report['job']['id']}/report", params={"format": "html"}).text
        assert "<h2>Translations</h2>" in page
        assert evaluation["translations"]["signatures"]["bleu"] in page
        bundle = client.get("/v1/models/m@1/download", params={"format": "bundle"}).content
        card = zipfile.ZipFile(io.BytesIO(bundle)).read("README.md").decode()
        assert "nrefs:1" in card
        assert "keras.saving.load_model" in card

        again = done(client, services, source={"version": "m@1"}, evaluation={"control": False}, **asked)
        assert again["lineage"]["source"] == {"version": "m@1"}
        assert again["receipt"]["totals"]["coverage"] == 1
