from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.transfer import examples
from workers.process_cache import MOST_GRAPHS, ProcessCache
from workers.transfer.methods.parameter import parameter
from workers.transfer.networks.network import build, weights_digest
from workers.transfer.networks.presets.lookup import find_preset
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Training

DATA = examples.make("image")


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    """A small network of a preset whose file may be touched."""
    place = tmp_path / "efficientnet_lite0" / "efficientnet-lite0-57934424.pth"
    place.parent.mkdir()
    place.symlink_to(find_preset("efficientnet_lite0", None).path)
    about = {"kind": "pretrained", "preset": "efficientnet_lite0", "folder": str(tmp_path)}
    return {**about, "image_size": [32, 32], "channels": 3}


def test_a_second_job_on_the_same_data_has_the_parts_of_the_first(options: dict[str, Any]) -> None:
    cache = ProcessCache()
    first, second = (cache.network(dict(options), DATA, "rows", 0) for _ in range(2))
    assert second.preprocessing is first.preprocessing
    assert second.backbone is first.backbone
    assert weights_digest(second) == weights_digest(build(options, DATA, 0))


def test_other_data_has_a_preprocessing_of_its_own_and_the_same_backbone(options: dict[str, Any]) -> None:
    cache = ProcessCache()
    first, second = (cache.network(options, DATA, rows, 0) for rows in ("some", "others"))
    assert second.preprocessing is not first.preprocessing
    assert second.backbone is first.backbone


def test_another_seed_size_or_file_makes_another_backbone(options: dict[str, Any], tmp_path: Path) -> None:
    cache = ProcessCache()
    first = cache.network(options, DATA, "rows", 0)
    seeded = cache.network(options, DATA, "rows", 1)
    larger = {**options, "image_size": [40, 32]}
    sized = cache.network(larger, DATA, "rows", 1)
    file = tmp_path / "efficientnet_lite0" / "efficientnet-lite0-57934424.pth"
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content)
    os.utime(file, (1, 1))
    changed = cache.network(larger, DATA, "rows", 1)
    assert len({id(made.backbone) for made in (first, seeded, sized, changed)}) == 4
    weights = zip(first.backbone.get_weights(), changed.backbone.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in weights)


def test_a_few_graphs_that_know_nothing_of_their_data_are_kept() -> None:
    data, fit, cache = examples.make("text"), Fit(Training(1, 16, 0.01, seed=3)), ProcessCache()
    for width in range(8, 8 + MOST_GRAPHS + 2):
        fit(build({**examples.NETWORKS["text"][0], "embedding_units": width}, data, 3), data)
    plain = len(fit.traced)
    network = build(examples.NETWORKS["text"][0], data, 3)
    parameter(network, network.options, data, fit.named("pulled"), strategy="full", regulariser="l2_sp")
    assert len(fit.traced) == plain + 1
    cache.keep(fit.traced)
    assert len(cache.graphs) == MOST_GRAPHS
    assert all(steps.is_small for steps in cache.graphs.values())
