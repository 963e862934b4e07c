import csv
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from app.datasets.reading.conventions import Conventions
from app.datasets.reading.description import Column as FileColumn
from app.datasets.reading.description import Description, ReadOptions, SplitPlan
from tests.workers.transfer import examples
from tests.workers.transfer.traces import shared_fit
from workers.stages.export import reader
from workers.transfer.data import Column, Data, Rows, Signature
from workers.transfer.delivery.bundled_predict import _answers
from workers.transfer.delivery.export import (
    ExportDiffers,
    Loaded,
    Reader,
    verify,
    write_bundle,
    write_keras,
)
from workers.transfer.methods.parameter import parameter
from workers.transfer.methods.scratch import scratch
from workers.transfer.networks.network import Network, build, weights_digest
from workers.transfer.training.features import predict
from workers.transfer.training.options import Training

NAN = float("nan")
ROWS = {
    "age": np.array([41.5, NAN, 60, 0], np.float32),
    "member": np.array([1, 0, NAN, 1], np.float32),
    "city": np.array(["c1", "", "never seen", "c3"], object),
    "joined": np.array(["2020-02-29", "2021-03-04T05:06:07", "", "1999-12-31T23:59:59"], object),
}
PLAIN_KERAS = """
import json, sys
import keras
import numpy as np
rows = json.load(open("rows.json"))
types = {"age": np.float32, "member": np.float32, "city": object, "joined": object}
model = keras.saving.load_model("model.keras")
inputs = {name: np.array(values, types[name]) for name, values in rows.items()}
print(json.dumps(model.predict(inputs, verbose=0).tolist()))
"""


def reader_of(signature: Signature) -> Reader:
    """That of a network which was trained on a CSV file of these columns."""
    columns = [FileColumn(name=column.name, type=column.type, role="feature") for column in signature.columns]
    description = Description(
        format="csv",
        options=ReadOptions(columns=[column.name for column in columns]),
        conventions=Conventions.of("csv"),
        columns=columns,
        label=signature.label,
        task=signature.task,
        classes=list(signature.classes),
        rows=1,
        labelled_rows=1,
        split=SplitPlan(by="key", seed=0, validation_fraction=0.1, test_fraction=0.1, rows={}),
    )
    return reader(description)


@pytest.fixture
def network(options, mixed) -> Network:
    return build(options, mixed, 0)


@pytest.fixture
def bundle(network: Network, tmp_path: Path) -> Path:
    write_bundle(network, tmp_path / "model.zip", {}, reader_of(network.signature))
    with zipfile.ZipFile(tmp_path / "model.zip") as file:
        file.extractall(tmp_path / "bundle")
    return tmp_path / "bundle"


def _write_csv(path: Path) -> None:
    columns = ["spare", "joined", "city", "member", "age"]
    rows = [
        ["x", "2020-02-29", "c1", "yes", "41.5"],
        ["x", "2021-03-04 07:06:07+02:00", "", "FALSE", ""],
        ["x", "NA", " never seen ", "?", "60"],
        ["x", "1999-12-31T23:59:59", "c3", "1", "0"],
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])


def test_plain_keras_in_a_fresh_python_predicts_raw_rows_as_measured(network, tmp_path):
    write_keras(network, tmp_path / "model.keras")
    (tmp_path / "rows.json").write_text(json.dumps({name: values.tolist() for name, values in ROWS.items()}))
    command = [sys.executable, "-I", "-c", PLAIN_KERAS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert np.abs(np.array(json.loads(done.stdout)) - predict(network, ROWS)).max() <= 1e-6


def test_the_bundles_program_predicts_a_csv_as_measured(network, bundle):
    _write_csv(bundle / "rows.csv")
    command = [sys.executable, "-I", str(bundle / "predict.py"), "rows.csv"]
    done = subprocess.run(command, cwd=bundle, capture_output=True, text=True, check=True)
    answers = list(csv.DictReader(done.stdout.splitlines()))
    expected = predict(network, ROWS).ravel()
    assert [float(answer["probability_yes"]) for answer in answers] == pytest.approx(expected, abs=1e-6)
    assert [answer["prediction"] for answer in answers] == ["yes" if p > 0.5 else "no" for p in expected]


def test_a_bundle_holds_everything_about_the_model(options, numbers, tmp_path):
    fit = shared_fit(Training(1, 16, 0.01, seed=0))
    source = scratch(options, numbers(), fit).network
    done = parameter(source, source.options, numbers(task="multiclass", seed=1), fit.named(""))
    card = {
        "name": "churn@1",
        "metrics": {"transfer": {"accuracy": 0.9, "auc": None}, "control": {"accuracy": 0.8, "auc": None}},
        "verdict": "helped",
        "reason": "The interval lies above 0.",
        "receipt": done.receipt,
        "lineage": {"job": "job_1"},
    }
    write_bundle(done.network, tmp_path / "model.zip", card, reader_of(done.network.signature))
    with zipfile.ZipFile(tmp_path / "model.zip") as file:
        assert {about.date_time for about in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        content = {name: file.read(name) for name in file.namelist()}
    assert [name for name in content if not name.startswith("reading/")] == [
        "model.keras",
        "to_saved_model.py",
        "README.md",
        "signature.json",
        "metrics.json",
        "receipt.json",
        "lineage.json",
        "requirements.txt",
        "predict.py",
        "arrays.py",
    ]
    assert {"reading/rows.py", "reading/formats/csv.py"} <= content.keys()
    assert json.loads(content["receipt.json"]) == done.receipt
    assert json.loads(content["signature.json"])["output"]["classes"] == ["a", "b", "c"]
    readme = content["README.md"].decode()
    assert "| accuracy | 0.9 | 0.8 |" in readme
    assert "| auc | undefined | undefined |" in readme
    assert "transfer: **helped**. The interval lies above 0." in readme
    assert "| head/output | kernel 8x3 | new | trained |" in readme
    needed = [line.partition("==")[0] for line in content["requirements.txt"].decode().splitlines()]
    expected = ["keras", "tensorflow", "numpy", "pyarrow", "pydantic", "pillow", "charset-normalizer"]
    assert needed == expected


def test_a_written_file_is_verified_by_its_predictions(network, mixed, tmp_path):
    write_keras(network, tmp_path / "model.keras")
    expected = predict(network, mixed.test.inputs)
    assert (
        verify(tmp_path / "model.keras", network, weights_digest(network), mixed.test.inputs, expected)
        <= 1e-6
    )


def test_a_file_of_other_weights_is_refused(options, network, mixed, tmp_path):
    write_keras(build(options, mixed, 99), tmp_path / "model.keras")
    digest, expected = weights_digest(network), predict(network, mixed.test.inputs)
    with pytest.raises(ExportDiffers, match=r"Expected model\.keras to hold the weights that were trained"):
        verify(tmp_path / "model.keras", network, digest, mixed.test.inputs, expected)


def test_a_file_that_predicts_something_else_is_refused(network, mixed, tmp_path):
    write_keras(network, tmp_path / "model.keras")
    measured = predict(network, mixed.test.inputs) + 0.01
    with pytest.raises(ExportDiffers, match="Received: a difference of"):
        verify(tmp_path / "model.keras", network, weights_digest(network), mixed.test.inputs, measured)


def test_the_next_file_that_differs_in_weights_alone_is_read_into_the_network_of_the_last(
    network, mixed, tmp_path
):
    before, path, rows = Loaded(1 << 30), tmp_path / "model.keras", mixed.test.inputs
    made = []
    for _ in range(2):
        change(network)
        write_keras(network, path)
        digest = weights_digest(network)
        assert verify(path, network, digest, rows, predict(network, rows), before) == 0
        made.append(before.load(path, network).model)
    assert made[0] is made[1]
    change(network)
    with pytest.raises(ExportDiffers, match="weights"):
        verify(path, network, weights_digest(network), rows, predict(network, rows), before)


def change(network: Network) -> None:
    """Give it other weights, as a training does."""
    for part in (network.backbone, network.head):
        part.set_weights([weight + 0.1 for weight in part.get_weights()])


def test_no_weight_of_the_last_file_stays_where_the_next_holds_none(network, mixed, tmp_path):
    before, path, rows = Loaded(1 << 30), tmp_path / "model.keras", mixed.test.inputs
    write_keras(network, path)
    digest, expected = weights_digest(network), predict(network, rows)
    verify(path, network, digest, rows, expected, before)
    with zipfile.ZipFile(path) as file:
        content = {name: file.read(name) for name in file.namelist()}
    groups: list[str] = []
    with h5py.File(io.BytesIO(content["model.weights.h5"])) as weights:
        weights.visititems(lambda name, item: groups.append(name) if holds_any(item) else None)
    assert len(groups) > 5
    for group in groups:
        less = io.BytesIO(content["model.weights.h5"])
        with h5py.File(less, "a") as weights:
            del weights[group]
        with zipfile.ZipFile(path, "w") as file:
            for name, data in {**content, "model.weights.h5": less.getvalue()}.items():
                file.writestr(name, data)
        with pytest.raises((ExportDiffers, ValueError, KeyError)):
            verify(path, network, digest, rows, expected, before)


def holds_any(item: h5py.Group | h5py.Dataset) -> bool:
    """Whether there are weights in it."""
    return isinstance(item, h5py.Dataset) or any(holds_any(part) for part in item.values())


def test_a_large_network_and_one_of_another_structure_are_loaded_anew(options, network, mixed, tmp_path):
    path = tmp_path / "model.keras"
    small, large = Loaded(1 << 30), Loaded(1)
    write_keras(network, path)
    assert large.load(path, network).model is not large.load(path, network).model
    first = small.load(path, network).model
    wider = build({**options, "hidden_units": [9, 8]}, mixed, 0)
    write_keras(wider, path)
    assert small.load(path, wider).model is not first
    assert weights_digest(small.load(path, wider)) == weights_digest(wider)


HOSTILE = [
    'a"b',
    "c\nd",
    "e\\",
    "{x}",
    "EXAMPLE",
    "FILES",
    "'''",
    '"""',
    "</script>",
    "```",
    "=1+1",
    "a\u2028b",
]


@pytest.fixture
def hostile(options) -> Network:
    """A network whose columns, classes and label are called so."""
    rng = np.random.default_rng(0)
    half = len(HOSTILE) // 2
    columns = tuple(Column(name, "number") for name in HOSTILE[:half])
    columns += tuple(Column(name, "category") for name in HOSTILE[half:])
    inputs = {
        column.name: rng.normal(size=40).astype(np.float32)
        if column.is_numeric
        else np.array(rng.choice(["u", "v"], 40), object)
        for column in columns
    }
    rows = Rows(inputs, rng.integers(0, 3, 40), np.arange(40))
    signature = Signature(columns, '=HYPERLINK("x")', "multiclass", ("=1+1", "-1", "@SUM(1)"))
    return build(options, Data(signature, rows, rows, rows), 0)


@pytest.fixture
def hostile_bundle(hostile: Network, tmp_path: Path) -> Path:
    write_bundle(hostile, tmp_path / "model.zip", {"name": "</script>"}, reader_of(hostile.signature))
    with zipfile.ZipFile(tmp_path / "model.zip") as file:
        file.extractall(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_the_python_of_the_readme_runs_whatever_the_columns_are_called(hostile, hostile_bundle, plain):
    readme = (hostile_bundle / "README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    assert "</script>" not in readme
    done = plain.run("-c", f"{program}\nprint(model.predict({{}}) if 0 else 'done')", cwd=hostile_bundle)
    assert done.stdout.endswith("done\n")
    named = eval(
        program[program.index("model.predict(") + len("model.predict(") : program.rindex(")")], {"np": np}
    )
    keys = hostile.signature.keys
    assert list(named) == [keys[name] for name in HOSTILE]
    assert predict(hostile, {name: named[key] for name, key in keys.items()}).shape == (1, 3)


def test_the_program_reads_a_header_and_writes_classes_that_a_spreadsheet_might_run(hostile_bundle, plain):
    with (hostile_bundle / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HOSTILE, *([str(n)] * len(HOSTILE) for n in range(-30, 30))])
    done = plain.run(hostile_bundle / "predict.py", "rows.csv", cwd=hostile_bundle)
    header, *answers = csv.reader(done.stdout.splitlines())
    assert header == ["prediction", "probability_=1+1", "probability_-1", "probability_@SUM(1)"]
    assert len(answers) == 60
    for prediction, *chances in answers:
        best = max(range(3), key=lambda number: float(chances[number]))
        assert prediction == ["'=1+1", "-1", "'@SUM(1)"][best]


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1+1", "'+1+1"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("-", "'-"),
        ("-1", "-1"),
        ("+1.5e-3", "+1.5e-3"),
        ("-.5", "-.5"),
        ("a=1", "a=1"),
        ("'=1", "'=1"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_a_class_that_is_a_formula_is_written_as_text_and_one_that_is_a_number_as_a_number(task, name, cell):
    about = {"task": task, "classes": [name, "b"]}
    (answer,) = _answers([[0.25]] if task == "binary" else [[0.75, 0.25]], about, [None])
    assert answer[0] == cell


def test_a_predicted_number_below_0_stays_a_number():
    assert list(_answers([[-1.5]], {"task": "regression", "classes": []}, [None])) == [[-1.5]]


def test_the_signature_of_images_says_how_sixteen_bits_become_eight(tmp_path):
    network = build(examples.NETWORKS["image"][0], examples.make("image"), 0)
    rules = {"exceptions": {"image": {"levels": [1030, 1226]}}}
    write_bundle(network, tmp_path / "model.zip", {"name": "m"}, Reader({}, rules, {}))
    with zipfile.ZipFile(tmp_path / "model.zip") as file:
        (image,) = json.loads(file.read("signature.json"))["inputs"]
    assert "round(255 * (x - 1030) / 196)" in image["written"]
