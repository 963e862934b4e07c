"""What is told of features that are kept: who computed them, and what that took."""

import json
import os
import time
from pathlib import Path

import numpy as np

from tests.workers.transfer import examples
from tests.workers.transfer.traces import shared_fit
from workers.transfer.methods.scratch import scratch
from workers.transfer.networks.network import Network
from workers.transfer.training.feature_uses import FeatureUses
from workers.transfer.training.features import FeatureStore, outputs
from workers.transfer.training.options import Training

FROZEN = ["preprocessing", "backbone"]


def _network() -> Network:
    fit = shared_fit(Training(epochs=1, batch_size=16, learning_rate=0.01, seed=3))
    return scratch(examples.NETWORKS["text"][0], examples.make("text"), fit).network


def _store(folder: Path, owner: str) -> FeatureStore:
    return FeatureStore(folder, 1 << 30, FeatureUses(owner))


def test_a_training_that_finds_features_is_told_who_computed_them_and_what_that_took(tmp_path: Path) -> None:
    network, rows = _network(), examples.make("text").train
    first, second = _store(tmp_path, "job_1/transfer/0"), _store(tmp_path, "job_2/transfer/0")
    begun = time.process_time()
    outputs(network, FROZEN, rows.inputs, first)
    spent = time.process_time() - begun
    outputs(network, FROZEN, rows.inputs, second)
    assert second.uses.needed == first.uses.needed
    assert len(second.uses.needed) == 2  # token ids, and what the backbone makes of them
    assert {made.owner for made in second.uses.needed.values()} == {"job_1/transfer/0"}
    assert {made.rows for made in second.uses.needed.values()} == {len(rows.targets)}
    assert second.uses.paid_seconds == second.uses.computed_seconds == 0
    assert 0 < first.uses.paid_seconds <= spent
    np.testing.assert_allclose(first.uses.paid_seconds, first.uses.computed_seconds)


def test_features_of_one_are_not_found_by_another(tmp_path: Path) -> None:
    stores = {of: FeatureStore(tmp_path, 1 << 20, of=of) for of in ("", "ws_1", "ws_2")}
    kept = np.arange(6, dtype=np.float32).reshape(3, 2)
    stores["ws_1"].save("a" * 64, 3, [kept])
    found = {of: store.load("a" * 64) for of, store in stores.items()}
    assert found[""] is found["ws_2"] is None
    np.testing.assert_array_equal(found["ws_1"], kept)
    assert stores["ws_1"].told_to(FeatureUses("job")).load("a" * 64) is not None


def test_features_count_once_and_belong_to_an_attempt_that_goes_on(tmp_path: Path) -> None:
    network, rows = _network(), examples.make("text").train
    before, after = _store(tmp_path, "job_1/transfer/0"), _store(tmp_path, "job_1/transfer/0")
    for parts in (FROZEN[:1], FROZEN, FROZEN):
        outputs(network, parts, rows.inputs, before)
    paid = before.uses.paid_seconds
    outputs(network, FROZEN, rows.inputs, after)
    assert after.uses.paid_seconds == paid > 0
    assert after.uses.computed_seconds == 0


def test_what_is_told_of_features_goes_with_their_file(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, 2500, FeatureUses("job_1/transfer/0"))
    for number in range(3):
        kept = store.save(f"{number}", 100, iter([np.full((100, 2), number, np.float32)]))
        assert (kept == number).all()
        os.utime(tmp_path / f"{number}.npy", (number, number))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.npy", "2.npy"]
    behind = (tmp_path / "2.npy").read_bytes()[-400:]
    told = json.loads(behind[behind.index(b"{") :])
    assert (told["owner"], told["rows"]) == ("job_1/transfer/0", 100)
    assert (np.load(tmp_path / "2.npy", allow_pickle=False) == 2).all()


def test_features_of_which_nothing_is_told_are_read_and_count_nowhere(tmp_path: Path) -> None:
    values = np.ones((3, 2), np.float32)
    np.save(tmp_path / "bare.npy", values)
    with (tmp_path / "odd.npy").open("wb") as file:
        np.save(file, values)
        file.write(b'{"rows": 3}')
    store = _store(tmp_path, "job_1/transfer/0")
    for key in ("bare", "odd"):
        kept = store.load(key)
        assert kept is not None
        assert (kept == values).all()
    assert store.uses.needed == {}
