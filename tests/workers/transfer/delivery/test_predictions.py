import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.workers.transfer import examples
from workers.transfer.delivery.predictions import write_predictions
from workers.transfer.proof.comparison import compare

ROOT = Path(__file__).parents[4]


def _predictions(data, seeds: int = 3):
    rng, rows = np.random.default_rng(0), len(data.test)
    width = 1 if data.signature.task in ("binary", "regression") else len(data.signature.classes)
    return {
        arm: [(seed, rng.random((rows, width))) for seed in range(seeds)] for arm in ("transfer", "control")
    }


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_a_column_for_each_arm_and_seed_has_what_it_predicted_for_each_test_row(task, tmp_path):
    data = examples.make("sequence", task, rows=100)
    arms, rows = _predictions(data), len(data.test)
    seen = np.arange(rows) < 2
    keys, units = np.arange(rows, dtype=np.uint64) + 2**63, np.arange(rows) // 2
    write_predictions(
        tmp_path / "p.parquet", data.signature, data.test, arms, keys=keys, units=units, seen=seen
    )
    table = pq.read_table(tmp_path / "p.parquet")
    assert table["row"].to_pylist() == data.test.numbers.tolist()
    assert table["key"].to_pylist() == keys.tolist()
    assert (table["unit"].to_pylist(), table["seen"].to_pylist()) == (units.tolist(), seen.tolist())
    for arm, trainings in arms.items():
        for seed, p in trainings:
            names = [name for name in table.column_names if re.match(rf"{arm}/{seed}(/|$)", name)]
            np.testing.assert_array_equal(np.stack([table[name].to_numpy() for name in names], axis=1), p)
    labels, classes = table["label"].to_pylist(), data.signature.classes
    if task == "multilabel":
        assert labels == [[classes[k] for k in np.flatnonzero(row)] for row in data.test.targets]
    elif task == "regression":
        assert labels == data.test.targets.reshape(-1).tolist()
    else:
        assert labels == [classes[int(k)] for k in data.test.targets.reshape(-1)]


def test_the_proof_works_out_the_same_by_the_program_in_the_docs(tmp_path):
    data = examples.make("sequence", "binary", rows=400)
    arms, rows = _predictions(data), len(data.test)
    units, seen = np.arange(rows) // 2, np.arange(rows) < 5
    write_predictions(
        tmp_path / "grades-1.parquet", data.signature, data.test, arms,
        keys=np.zeros(rows, np.uint64), units=units, seen=seen,
    )  # fmt: skip
    program = re.search(r"```python\n(.*?)```", (ROOT / "docs/proof.md").read_text(), re.DOTALL)
    assert program is not None
    code = program.group(1).replace('["fail", "pass"]', json.dumps(list(data.signature.classes)))
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    told = [float(number) for number in re.findall(r"[-+][0-9.]+", ran.stdout)]
    transfer, control = ([p[~seen] for _, p in arms[arm]] for arm in ("transfer", "control"))
    gain = compare(
        "binary",
        data.test.targets[~seen],
        transfer,
        control,
        "accuracy",
        units=units[~seen],
        shared_source=True,
    )
    assert told == pytest.approx([gain.value, gain.low, gain.high], abs=0.006)
