"""Texts, images and sequences, from the upload to predictions of the downloaded bundle."""

from __future__ import annotations

import base64
import csv
import io
import json
import zipfile
from itertools import compress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.e2e.conftest import Service
from tests.plain_python import PlainPython
from tests.workers.transfer import examples

pytestmark = pytest.mark.timeout(900)  # on a machine under load; one of the networks has 22 million weights

TRAINING = {"epochs": 4, "batch_size": 16, "learning_rate": 0.01}
ALONE = {"seeds": 1, "baseline": False, "control": False}


def texts_file(path: Path, seed: int, label: str = "label") -> Path:
    data = examples.make("text", seed=seed, rows=110)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", label])
        for part in (data.train, data.validation, data.test):
            writer.writerows(zip(part.inputs["text"], map(int, part.targets.reshape(-1)), strict=True))
    return path


def sequences_file(path: Path, seed: int, classes: tuple[str, ...]) -> Path:
    data = examples.make("sequence", "multiclass", seed=seed, rows=110)
    rows = zip(data.train.inputs["sequence"], data.train.targets, strict=True)
    path.write_text("".join(f">s{n} label={classes[int(y)]}\n{x}\n" for n, (x, y) in enumerate(rows)))
    return path


def images_file(path: Path, seed: int) -> Path:
    data = examples.make("image", "multiclass", seed=seed, rows=110)
    with zipfile.ZipFile(path, "w") as archive:
        for number, (x, y) in enumerate(zip(data.train.inputs["image"], data.train.targets, strict=True)):
            archive.writestr(f"class {int(y)}/{number}.png", x)
    return path


def uploaded(service: Service, kind: str, folder: Path) -> tuple[str, str]:
    names = (f"{kind}-source", f"{kind}-target")
    for seed, name in enumerate(names):
        if kind == "text":
            service.upload(name, texts_file(folder / f"{name}.csv", seed), kind="text")
        elif kind == "sequence":
            service.upload(name, sequences_file(folder / f"{name}.fa", seed, ("a", "b", f"c{seed}")))
        else:
            service.upload(name, images_file(folder / f"{name}.zip", seed))
    return names


def succeeded(service: Service, **asked: Any) -> dict[str, Any]:
    asked["evaluation"] = {"folds": 0, **asked.get("evaluation", {})}
    ended = service.wait(service.post(**asked)["id"])
    assert ended["state"] == "succeeded", ended["error"]
    return ended


def predicted(
    service: Service, plain: PlainPython, version: str, folder: Path, files: list[str]
) -> list[dict[str, str]]:
    """What the bundle's own program says, in a Python that knows nothing of this project."""
    model, _, number = version.partition("@")
    answer = service.http.get(f"/v1/models/{model}@{number}/download", params={"format": "bundle"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as bundle:
        bundle.extractall(folder)
    done = plain.run(folder / "predict.py", *files, cwd=folder)
    return list(csv.DictReader(io.StringIO(done.stdout)))


def served(service: Service, version: str, instances: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the service itself says to the same rows."""
    answer = service.http.post(f"/v1/models/{version}:predict", json={"instances": instances})
    assert answer.status_code == 200, answer.text
    predictions: list[dict[str, Any]] = answer.json()["predictions"]
    return predictions


@pytest.mark.parametrize("kind", ["text", "sequence", "image"])
def test_a_transfer_of_every_kind_ends_with_a_bundle_that_predicts_what_the_service_answers(
    service: Service, plain: PlainPython, kind: str, tmp_path: Path
) -> None:
    source, target = uploaded(service, kind, tmp_path)
    about = service.http.get(f"/v1/datasets/{target}").json()
    assert about["kind"] == kind
    shown = service.http.get(f"/v1/datasets/{target}/rows").json()["data"]
    assert kind in shown[0]
    ended = succeeded(
        service,
        model=f"of-{kind}",
        source={"dataset": source},
        target={"dataset": target},
        training=TRAINING,
        evaluation={"seeds": 2},
    )
    told = ended["result"]
    # The made-up texts and pictures are so much alike that they count as few.
    is_silent = (told["verdict"], told["verdict_details"]) == (None, ["too_few_rows"])
    assert is_silent or told["verdict"] in ("helped", "no difference", "hurt")
    assert told["recommendation"]
    version = ended["result"]["version"]
    if kind == "text":
        (tmp_path / "new.txt").write_text("the film was great, I think!\nthis book was bad, I say!\n")
        files = [str(tmp_path / "new.txt")]
        rows = [{"text": line} for line in (tmp_path / "new.txt").read_text().splitlines()]
    elif kind == "sequence":
        (tmp_path / "new.fa").write_text(">x\nACGTACGTTATAAAACGTACGTACGT\n>y\nacgtacgtgcgcgcacgtnnacguacg\n")
        files = [str(tmp_path / "new.fa")]
        rows = [{"sequence": line} for line in (tmp_path / "new.fa").read_text().splitlines()[1::2]]
    else:
        Image.new("RGBA", (30, 20), "red").save(tmp_path / "a.png")
        Image.new("L", (8, 8)).save(tmp_path / "b.jpg")
        files = [str(tmp_path / "a.png"), str(tmp_path / "b.jpg")]
        rows = [{"image": base64.b64encode(Path(file).read_bytes()).decode()} for file in files]
        parts = [("image", Path(file).read_bytes()) for file in files]
        form = service.http.post(f"/v1/models/{version}:predict", files=parts).json()["predictions"]
        assert form == served(service, version, rows)
        page = service.http.get(f"/v1/jobs/{ended['id']}/report", params={"format": "html"})
        assert '<img class="thumbnail" src="data:image/jpeg;base64,' in page.text
    answers = predicted(service, plain, version, tmp_path / "bundle", files)
    assert len(answers) == 2
    classes = about["description"]["classes"]
    for answer in answers:
        chances = [float(answer[f"probability_{name}"]) for name in classes]
        assert sum(chances) == pytest.approx(1, abs=1e-5)
        assert answer["prediction"] == classes[chances.index(max(chances))]
    for said, answer in zip(served(service, version, rows), answers, strict=True):
        assert said["class"] == answer["prediction"]
        expected = {name: float(answer[f"probability_{name}"]) for name in classes}
        assert said["probabilities"] == pytest.approx(expected, abs=1e-6)
        calibrated = said["calibrated_probabilities"]
        assert calibrated is None or sum(calibrated.values()) == pytest.approx(1, abs=1e-6)


def test_a_pretrained_backbone_is_a_source_and_its_control_is_the_usual_network(
    service: Service, tmp_path: Path
) -> None:
    target = service.upload("few-texts", texts_file(tmp_path / "few.csv", 3), kind="text")["ref"]
    asked: dict[str, Any] = {
        "model": "of-minilm",
        "source": {"preset": "minilm_l6_v2"},
        "target": {"dataset": target},
        "method": {"kind": "parameter", "strategy": "linear_probe"},
        "training": {"epochs": 6, "batch_size": 32, "learning_rate": 0.05},
    }
    ended = succeeded(service, **asked, evaluation={"seeds": 1, "arms": ["random_frozen"]})
    version = service.http.get("/v1/models/of-minilm@1").json()
    assert version["lineage"]["source"] == {"preset": "minilm_l6_v2"}
    states = {layer["part"]: layer["origin"] for layer in version["receipt"]["layers"]}
    assert (states["backbone"], states["head"]) == ("copied", "new")
    accuracy = {arm: values["accuracy"] for arm, values in ended["result"]["metrics"].items()}
    assert accuracy["transfer"] > 0.7
    assert accuracy["random_frozen"] <= accuracy["transfer"]
    control = ended["result"]["control"]
    assert [one["name"] for one in control["candidates"]] == ["from_scratch", "random_weights"]
    assert accuracy["control"] == next(
        one["metrics"]["accuracy"] for one in control["candidates"] if one["name"] == control["chosen"]
    )
    request = service.http.get(f"/v1/jobs/{ended['id']}/report").json()["request"]
    assert request["source"] == {"preset": "minilm_l6_v2"}
    page = service.http.get(f"/v1/jobs/{ended['id']}/report", params={"format": "html"})
    assert page.status_code == 200
    assert "minilm_l6_v2" in page.text
    again = {"source": {"version": "of-minilm@1"}, "evaluation": ALONE}
    once_more = succeeded(service, **{**asked, **again})
    assert once_more["network"]["preset"] == "minilm_l6_v2"
    stages = {stage["stage"]: stage for stage in ended["stages"]}
    assert stages["source"]["reused"]


def test_a_version_of_one_kind_is_the_source_of_another_of_other_classes(
    service: Service, tmp_path: Path
) -> None:
    source, target = uploaded(service, "sequence", tmp_path)
    common = {"model": "motifs", "training": TRAINING, "evaluation": ALONE}
    succeeded(service, source={"dataset": source}, target={"dataset": source}, **common)
    again = succeeded(service, source={"version": "motifs@1"}, target={"dataset": target}, **common)
    version = service.http.get(f"/v1/models/{again['result']['version']}").json()
    head = next(layer for layer in version["receipt"]["layers"] if layer["part"] == "head")
    assert head["origin"] == "partly copied"


def test_texts_of_several_labels_each_end_with_a_report_and_a_bundle_that_names_them(
    service: Service, plain: PlainPython, tmp_path: Path
) -> None:
    source, target = (examples.make("text", "multilabel", seed=seed, rows=110).train for seed in (0, 1))
    names = examples.CLASSES["multilabel"]
    with (tmp_path / "source.csv").open("w", newline="") as file:
        marks = ["|".join(compress(names, row)) or "|" for row in source.targets]
        csv.writer(file).writerows([("text", "label"), *zip(source.inputs["text"], marks, strict=True)])
    service.upload("several-source", tmp_path / "source.csv", kind="text", task="multilabel")
    with (tmp_path / "target.jsonl").open("w") as file:
        for text, row in zip(target.inputs["text"], target.targets, strict=True):
            file.write(f"{json.dumps({'text': text, 'labels': list(compress(names, row))})}\n")
    service.upload("several-target", tmp_path / "target.jsonl", kind="text")
    ended = succeeded(
        service,
        model="of-several",
        source={"dataset": "several-source"},
        target={"dataset": "several-target"},
        training={**TRAINING, "epochs": 12},
        evaluation={"seeds": 2, "few_shot": [5]},
    )
    assert {"micro_f1", "exact_match"} <= ended["result"]["metrics"]["baseline"].keys()
    report = service.http.get(f"/v1/jobs/{ended['id']}/report").json()
    assert [known["class"] for known in report["evaluation"]["classes"]["transfer"]] == ["even", "low", "top"]
    page = service.http.get(f"/v1/jobs/{ended['id']}/report", headers={"Accept": "text/html"})
    assert page.status_code == 200
    (tmp_path / "new.txt").write_text("the film was great, I think!\nthis book was fair, I say!\n")
    answers = predicted(
        service, plain, ended["result"]["version"], tmp_path / "bundle", [str(tmp_path / "new.txt")]
    )
    for answer in answers:
        told = [name for name in ("even", "low", "top") if float(answer[f"probability_{name}"]) > 0.5]
        assert answer["prediction"] == "|".join(told)
    lines = (tmp_path / "new.txt").read_text().splitlines()
    said = served(service, ended["result"]["version"], [{"text": line} for line in lines])
    assert ["|".join(one["classes"]) for one in said] == [answer["prediction"] for answer in answers]
