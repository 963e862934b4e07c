"""The Open Inference Protocol, asked by NVIDIA's client for it over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
import uvicorn
from fastapi.testclient import TestClient
from tritonclient.utils import InferenceServerException

from tests.app.conftest import served
from tests.app.predictions.test_routes import asked, running, version  # noqa: F401
from tests.conftest import DATABASES
from tests.workers.predictor.conftest import Make, bundle  # noqa: F401

pytestmark = pytest.mark.parametrize("database_url", DATABASES[:1], indirect=True)

ROWS = [{"a": 0.5, "b": 1.0}, {"a": -1.5, "b": 0.25}, {"a": 3.0, "b": -2.0}]


@pytest.fixture
def door(client: TestClient) -> Iterator[triton.InferenceServerClient]:
    """The client, of the API on a port."""
    with served(uvicorn.Config(client.app, log_level="warning", lifespan="off")) as address:  # type: ignore[arg-type]
        made = triton.InferenceServerClient(address.removeprefix("http://"))
        yield made
        made.close()


def tensors() -> list[triton.InferInput]:
    found = []
    for name in ("a", "b"):
        one = triton.InferInput(name, [len(ROWS), 1], "FP64")
        one.set_data_from_numpy(np.array([[row[name]] for row in ROWS]), binary_data=False)
        found.append(one)
    return found


def test_a_client_of_the_protocol_gets_what_predict_answers(
    client: TestClient,
    version: str,  # noqa: F811
    door: triton.InferenceServerClient,
    tmp_path: Path,
) -> None:
    assert door.is_server_live()
    assert not door.is_server_ready()
    with running(client, tmp_path / "p.sock"):
        assert door.is_server_ready()
        assert door.is_model_ready("m")
        assert door.is_model_ready("m", "1")
        assert not door.is_model_ready("m", "2")
        about = door.get_model_metadata("m", "1")
        assert (about["name"], about["versions"]) == ("m", ["1"])
        outputs = [
            triton.InferRequestedOutput(name, binary_data=False) for name in ("class", "probabilities")
        ]
        answer = door.infer("m", tensors(), model_version="1", request_id="7", outputs=outputs)
        told = asked(client, ROWS, version).json()["predictions"]
    assert answer.get_response()["id"] == "7"
    assert list(answer.as_numpy("class")) == [one["class"] for one in told]
    expected = [[one["probabilities"][name] for name in ("no", "yes")] for one in told]
    np.testing.assert_allclose(answer.as_numpy("probabilities"), expected, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("version")
def test_all_outputs_come_where_none_is_named(client: TestClient, tmp_path: Path) -> None:
    body = {"inputs": [{"name": name, "shape": [1], "datatype": "FP64", "data": [0.5]} for name in "ab"]}
    with running(client, tmp_path / "p.sock"):
        answer = client.post("/v2/models/m@champion/infer", json=body)
    assert answer.status_code == 200, answer.text
    outputs = {one["name"]: one for one in answer.json()["outputs"]}
    assert set(outputs) == {"class", "probabilities", "calibrated_probabilities", "classes"}
    assert outputs["probabilities"]["shape"] == [1, 2]


@pytest.mark.usefixtures("version")
@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"shape": [2]}, "inputs[1].data"),
        ({"shape": [3, 2]}, "inputs[1].shape"),
        ({"shape": [2], "data": [1, 2]}, "inputs[1].shape"),
        ({"name": "a"}, "inputs[1].name"),
        ({"data": [{}]}, "inputs[1].data"),
        ({"datatype": "FP65"}, "inputs.1.datatype"),
        ({"data": ["two"]}, "inputs.b[0]"),
    ],
)
def test_a_fault_is_told_by_its_place_and_as_the_protocol_says_it(
    client: TestClient, tmp_path: Path, changed: dict[str, Any], place: str
) -> None:
    a = {"name": "a", "shape": [1, 1], "datatype": "FP64", "data": [1.0]}
    with running(client, tmp_path / "p.sock"):
        answer = client.post("/v2/models/m/infer", json={"inputs": [a, {**a, "name": "b", **changed}]})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == place
    assert "xpected" in answer.json()["error"]


def test_binary_tensors_and_unknown_models_are_refused_in_the_clients_words(
    version: str,  # noqa: F811
    door: triton.InferenceServerClient,
) -> None:
    one = triton.InferInput("a", [1], "FP64")
    one.set_data_from_numpy(np.zeros(1))
    with pytest.raises(InferenceServerException, match="binary_data=False"):
        door.infer("m", [one])
    with pytest.raises(InferenceServerException, match="Expected the id, the name"):
        door.get_model_metadata("nobody")
    refused = triton.InferRequestedOutput("logits", binary_data=False)
    with pytest.raises(InferenceServerException, match="one of class, probabilities"):
        door.infer("m", tensors(), outputs=[refused])


@pytest.mark.usefixtures("version")
def test_an_output_is_asked_for_once(client: TestClient) -> None:
    a = {"name": "a", "shape": [1], "datatype": "FP64", "data": [1.0]}
    asked = {"inputs": [a, {**a, "name": "b"}], "outputs": [{"name": "class"}] * 2}
    answer = client.post("/v2/models/m/infer", json=asked)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "outputs[1].name")
