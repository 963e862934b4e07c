"""The network in the layout of serving engines answers what the bundle's network does."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.workers.predictor.conftest import Make, bundle  # noqa: F401
from workers.predictor.loading import load


def test_a_bundle_writes_its_network_as_name_and_number_and_it_answers_the_same(
    bundle: Make,  # noqa: F811
    tmp_path: Path,
) -> None:
    with zipfile.ZipFile(bundle(1)) as file:
        file.extractall(tmp_path / "bundle")
    program, served = tmp_path / "bundle" / "to_saved_model.py", tmp_path / "models" / "grades" / "3"
    run = subprocess.run([sys.executable, program, served], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert [one.name for one in served.parent.iterdir()] == ["3"]
    rng = np.random.default_rng(0)
    inputs = {name: rng.normal(size=7).astype(np.float32) for name in ("a", "b")}
    serve = tf.saved_model.load(str(served)).signatures["serving_default"]
    taken = serve.structured_input_signature[1]
    told = json.loads((tmp_path / "bundle" / "signature.json").read_text())
    assert set(taken) == {one["key"] for one in told["inputs"]}
    answers = serve(**{k: tf.reshape(inputs[k], (-1, *taken[k].shape[1:])) for k in taken})["predictions"]
    np.testing.assert_allclose(answers, load(bundle(1)).answer(inputs), rtol=0, atol=1e-6)

    again = subprocess.run([sys.executable, program, served], capture_output=True, text=True, check=False)
    assert (again.returncode, "not there yet" in again.stderr) == (1, True)
    unnumbered = [sys.executable, program, tmp_path / "models" / "grades"]
    wrong = subprocess.run(unnumbered, capture_output=True, text=True, check=False)
    assert (wrong.returncode, "the version's number" in wrong.stderr) == (2, True)
