from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.transfer import examples
from workers.held import MOST_GRAPHS, Held
from workers.transfer.fitting import Fit
from workers.transfer.form import Form
from workers.transfer.methods.parameter import parameter
from workers.transfer.network import build
from workers.transfer.presets.places import find_preset
from workers.transfer.training import Training

SMALL = Form((32, 32, 3))


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    """A preset whose file may be touched."""
    place = tmp_path / "efficientnet_lite0" / "efficientnet-lite0-57934424.pth"
    place.parent.mkdir()
    place.symlink_to(find_preset("efficientnet_lite0", None).path)
    return {"kind": "pretrained", "preset": "efficientnet_lite0", "folder": str(tmp_path)}


def test_the_same_preset_is_made_once(options: dict[str, Any]) -> None:
    held = Held()
    assert held.backbone(options, SMALL, 0) is held.backbone(dict(options), SMALL, 0)


def test_another_seed_size_or_file_makes_another_backbone(options: dict[str, Any], tmp_path: Path) -> None:
    held = Held()
    first = held.backbone(options, SMALL, 0)
    assert held.backbone(options, SMALL, 1) is not first
    second = held.backbone(options, Form((40, 32, 3)), 1)
    file = tmp_path / "efficientnet_lite0" / "efficientnet-lite0-57934424.pth"
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content)
    os.utime(file, (1, 1))
    third = held.backbone(options, Form((40, 32, 3)), 1)
    assert third is not second
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), third.get_weights(), strict=True))


def test_a_few_graphs_that_know_nothing_of_their_data_are_kept() -> None:
    data, fit, held = examples.make("text"), Fit(Training(1, 16, 0.01, seed=3)), Held()
    for width in range(8, 8 + MOST_GRAPHS + 2):
        fit(build({**examples.NETWORKS["text"][0], "embedding_units": width}, data, 3), data)
    plain = len(fit.traced)
    network = build(examples.NETWORKS["text"][0], data, 3)
    parameter(network, network.options, data, fit.named("pulled"), strategy="full", regulariser="l2_sp")
    assert len(fit.traced) == plain + 1
    held.keep(fit.traced)
    assert len(held.graphs) == MOST_GRAPHS
    assert all(steps.is_light for steps in held.graphs.values())
