"""One reading, four places: the upload, plain Keras, the bundle's program and the predictor agree."""

from __future__ import annotations

import base64
import csv
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.datasets.inspection.inspect_file import inspect
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.description import Description
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.limits import Limits
from app.datasets.reading.rows import RowsFile
from app.datasets.reading.table import read
from tests.plain_python import PlainPython
from tests.stored import inspected
from tests.workers.transfer.delivery import reading_cases
from tests.workers.transfer.delivery.reading_cases import Case
from workers.attempt import signature_of
from workers.predictor.loading import groups, load
from workers.stages.export import reader
from workers.transfer import arrays
from workers.transfer.data import from_table
from workers.transfer.delivery.export import write_bundle
from workers.transfer.methods.scratch import scratch
from workers.transfer.networks.inputs.pictures import decode
from workers.transfer.networks.network import Network
from workers.transfer.training.features import predict
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Training

PROGRAM = Path(__file__).with_name("predicting.py")


@dataclass
class Made:
    """A trained network, its bundle, what it predicts for the rows that it was made of, and these rows."""

    case: Case
    folder: Path
    description: Description
    network: Network
    inputs: dict[str, Any]
    expected: Any


def _made(case: Case, folder: Path) -> Made:
    folder.mkdir()
    name, content = case.train
    path = folder / name
    path.write_bytes(content)
    found = inspected(path, validation_fraction=0.2, test_fraction=0.2, **case.declared)
    description = found.inspection.description
    rows = read(path, description, folder)
    data = from_table(rows, signature_of(description), found.facts.parts)
    network = scratch(case.network, data, Fit(Training(8, 16, 0.02, seed=0))).network
    inputs = {
        column.name: arrays.values(rows[column.name], column.type) for column in network.signature.columns
    }
    write_bundle(network, folder / "model.zip", {"name": "m"}, reader(description))
    with zipfile.ZipFile(folder / "model.zip") as bundle:
        bundle.extractall(folder / "bundle")
    return Made(case, folder, description, network, inputs, predict(network, inputs))


def _written(files: dict[str, bytes], folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [str(folder / name) for name in files]


def _for_keras(made: Made) -> list[dict[str, Any]]:
    """The rows as plain Keras takes them: as they are, with more keys in another order, with one key less."""
    call: dict[str, Any] = {}
    for column in made.network.signature.columns:
        values = made.inputs[column.name]
        key = made.network.signature.keys[column.name]
        if column.type == "image":
            channels = made.network.model.inputs[0].shape[-1]
            sizes = [decode(value, channels) for value in values]
            call[key] = ["float32", [pixels.tolist() for pixels in sizes if pixels.shape == sizes[0].shape]]
        else:
            call[key] = ["float32" if column.is_numeric else "text", values.tolist()]
    rows = len(next(iter(call.values()))[1])
    more = {"aaa": ["float32", [1e6] * rows], "an id": ["text", ["x"] * rows], "zzz": ["int64", [7] * rows]}
    turned = {**more, **dict(reversed(call.items()))}
    return [call, turned, {name: values for name, values in turned.items() if name not in list(call)[-1:]}]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    folder = tmp_path_factory.mktemp("reading")
    return {case.name: _made(case, folder / case.name) for case in (make() for make in reading_cases.CASES)}


@pytest.fixture(scope="module")
def done(made: dict[str, Made], plain: PlainPython) -> dict[str, Any]:
    """What bundles and plain Keras answer: one process for all, since Keras takes seconds to import."""
    asked = {}
    for name, one in made.items():
        refused = [
            _written({file: content}, one.folder / "refused") for file, content in one.case.refused.items()
        ]
        readable = [_written(files, one.folder / "readable") for files in one.case.readable.values()]
        asked[name] = {
            "folder": str(one.folder / "bundle"),
            "refused": [*refused, [readable[0][0], *refused[0]]],
            "bundle": [[path for paths in readable for path in paths]],
            "keras": _for_keras(one),
            "readme": True,
        }
    first = next(iter(made["image"].inputs["image"]))
    (made["image"].folder / "bundle" / "picture.png").write_bytes(first)
    (folder,) = {one.folder.parent for one in made.values()}
    plain.run(PROGRAM, folder / "done.json", cwd=folder, input=json.dumps(asked))
    told: dict[str, Any] = json.loads((folder / "done.json").read_text())
    assert told["ours"] == []
    return dict(told["done"])


NAMES = [make.__name__ for make in reading_cases.CASES]


@pytest.mark.parametrize("name", NAMES)
def test_the_bundles_program_predicts_the_same_rows_written_otherwise_as_the_service_does(
    name: str, made: dict[str, Made], done: dict[str, Any]
) -> None:
    one = made[name]
    (told,) = done[name]["bundle"]  # all files at once: loading the network takes long
    assert (told["status"], told["err"]) == (0, "")
    answers = list(csv.DictReader(io.StringIO(told["out"])))
    rows = len(one.expected)
    assert len(answers) == rows * len(one.case.readable)
    for place, files in enumerate(one.case.readable.values()):
        some = answers[place * rows : (place + 1) * rows]
        assert all(any(file in answer["file"] for file in files) for answer in some)
        chances = np.array([float(answer[list(answer)[-1]]) for answer in some])
        assert np.abs(chances - one.expected[:, -1]).max() <= 1e-5, list(files)


@pytest.mark.parametrize("name", NAMES)
def test_plain_keras_finds_its_inputs_by_name_whatever_else_is_in_the_dict(
    name: str, made: dict[str, Made], done: dict[str, Any]
) -> None:
    warned, plain, more, less = done[name]["keras"]
    assert warned == []
    expected = made[name].expected
    if name == "image":  # those of the first one's size
        channels = made[name].network.model.inputs[0].shape[-1]
        shapes = [decode(value, channels).shape for value in made[name].inputs["image"]]
        expected = expected[[shape == shapes[0] for shape in shapes]]
    assert np.abs(np.array(plain) - expected).max() <= 1e-5
    assert more == plain
    key = list(made[name].network.signature.keys.values())[-1]
    assert f'Missing data for input "{key}"' in less


def _instances(made: Made) -> list[dict[str, Any]]:
    """The rows as a request holds them."""
    columns = {}
    for column in made.network.signature.columns:
        values = made.inputs[column.name].tolist()
        if column.type == "image":
            values = [base64.b64encode(value).decode() for value in values]
        elif column.is_numeric:
            values = [None if value != value else value for value in values]
        columns[column.name] = values
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_the_predictor_answers_the_same_rows_alike(name: str, made: dict[str, Made]) -> None:
    one = made[name]
    version = load(one.folder / "model.zip")
    answers = np.empty_like(one.expected)
    for places, inputs in groups(version.read(_instances(one), Limits())):
        answers[places] = version.answer(inputs)
    assert np.abs(answers - one.expected).max() <= 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_the_python_of_the_model_card_runs_as_printed(
    name: str, made: dict[str, Made], done: dict[str, Any]
) -> None:
    answer = np.array(done[name]["readme"])
    assert answer.shape == (1, made[name].expected.shape[1])
    assert np.isfinite(answer).all()
    if name == "image":
        assert np.abs(answer - made[name].expected[:1]).max() <= 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_the_program_refuses_what_the_upload_refuses_and_answers_nothing(
    name: str, made: dict[str, Made], done: dict[str, Any]
) -> None:
    one = made[name]
    for file, told in zip([*one.case.refused, "behind a good file"], done[name]["refused"], strict=True):
        assert (told["status"], told["out"]) == (1, ""), file
        assert told["err"].startswith(str(one.folder / "refused")), file
        assert "Received: " in told["err"], file


@pytest.mark.parametrize("make", reading_cases.CASES)
def test_the_upload_refuses_these_files_for_the_same_reason(make: Any, tmp_path: Path) -> None:
    case: Case = make()
    path = tmp_path / case.train[0]
    path.write_bytes(case.train[1])
    description = inspect(path, Declaration(filename=path.name, **case.declared)).description
    declared = {**case.declared, "kind": description.kind}
    for name, content in case.refused.items():
        if case.name == "image" and not name.endswith(".zip"):
            continue  # single images are none of the upload's files
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DatasetError) as at_upload:
            inspect(path, Declaration(filename=name, label=description.label, **declared))
        with pytest.raises(DatasetError) as at_prediction:
            list(RowsFile(path, description.reading).read())
        assert at_prediction.value.code == at_upload.value.code, name
