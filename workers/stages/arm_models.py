"""The models of the control and the baseline: kept while the job runs, then checked and written for users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np

from app.jobs.states import Stage
from workers.job_context import Arms, JobContext
from workers.transfer.baselines import bundled_model
from workers.transfer.baselines.choosing import Baseline
from workers.transfer.baselines.files import as_file, ask, read_zip, write_zip
from workers.transfer.data import Array
from workers.transfer.delivery import export as exporting
from workers.transfer.methods.parts.receipt import Transferred
from workers.transfer.networks.inputs import module_of
from workers.transfer.networks.network import Network, weights_digest
from workers.transfer.tasks import OF_TEXTS
from workers.transfer.training.features import predict

BASELINE = "model baseline"

COMPARED = 4
"""Test rows whose predictions are compared beside all weights, but for tables, where it is all rows."""

COMPARED_TEXTS = 16
"""Test rows whose answers are compared where these are texts."""

_TOLERANCE = 1e-5
"""Largest difference between what a file predicts and what was measured, as `exporting.compare` counts it."""


@dataclass(frozen=True)
class Written:
    """A file for users, of an arm's model."""

    arm: str
    format: str
    path: Path
    digest: str


def keep_network(context: JobContext, arm: str, made: Transferred) -> Transferred:
    """Make the network of a candidate's first seed durable."""
    value = {
        "receipt": made.receipt,
        "findings": made.findings,
        "network": dict(made.network.options),
        "weights": weights_digest(made.network),
    }
    digest = context.store_network(made.network)
    context.journal.save_part(Stage.CONTROL, f"model {arm}", digest=digest, value=value)
    return made


def keep_baseline(context: JobContext, made: Baseline) -> None:
    """Make the baseline durable as the file that users get: what is offered was not fitted twice."""
    file = as_file(made, context.target.signature)
    if isinstance(file, Network):
        digest, form = context.store_network(file), "keras"
    else:
        with context.storage.workspace() as folder:
            path = folder / "baseline.zip"
            write_zip(file, path)
            digest, form = context.storage.put(path), "files"
    context.journal.save_part(Stage.CONTROL, BASELINE, digest=digest, value={"form": form})


def write_models(
    context: JobContext,
    arms: Arms,
    evaluated: dict[str, Any],
    card: dict[str, Any],
    reader: exporting.Reader,
    folder: Path,
) -> list[Written]:
    """The files of the other arms that were trained, each loaded and compared with what was measured.

    A baseline whose file does not predict that is not offered, which an event tells. That of translations
    or questions is no model that could be one.

    Raises:
        ExportDiffers: the control's file does not.
    """
    found: list[Written] = []
    about = {name: value for name, value in card.items() if name not in ("receipt", "findings", "source")}
    if "control" in arms:
        chosen = evaluated["control"]["chosen"]
        of_control = {**about, "arm": "control", "temperature": temperature_of(evaluated, "control")}
        found += _control(context, arms, chosen, of_control, reader, folder)
    if "baseline" in arms and context.target.signature.task not in OF_TEXTS:
        chosen = evaluated["baseline"]["chosen"]
        about = {**about, "arm": "baseline", "method": chosen.replace("_", " ")}
        about["temperature"] = temperature_of(evaluated, "baseline")
        try:
            found += _baseline(context, arms, about, reader, folder)
        except exporting.ExportDiffers as error:
            message = f"The baseline cannot be downloaded. {error}"
            context.journal.event(
                "export.left_out", message, level="warning", arm="baseline", baseline=chosen
            )
    return found


def temperature_of(evaluated: Mapping[str, Any], arm: str) -> float | None:
    """The temperature that calibrates an arm's probabilities; None where none was fitted."""
    found: float | None = ((evaluated["calibration"] or {}).get(arm) or {}).get("temperature")
    return found


def _control(
    context: JobContext,
    arms: Arms,
    chosen: str,
    card: dict[str, Any],
    reader: exporting.Reader,
    folder: Path,
) -> list[Written]:
    part = context.journal.part(Stage.CONTROL, f"model control/{chosen}")
    assert part is not None  # written before the outcome
    assert part.digest is not None
    assert part.value is not None
    about = {**card, "receipt": part.value["receipt"], "findings": part.value["findings"]}
    network = context.load_network(part.digest, context.target.signature, part.value["network"])
    inputs, expected = _measured(context, arms, "control")
    if context.target.signature.task in OF_TEXTS:
        answered = module_of(network.signature).answer(network, inputs)
    else:
        answered = predict(network, inputs)
    exporting.compare(network, "the control", part.value["weights"], answered, expected, _TOLERANCE)
    return _of_network(context, "control", network, part.digest, about, reader, folder)


def _baseline(
    context: JobContext, arms: Arms, card: dict[str, Any], reader: exporting.Reader, folder: Path
) -> list[Written]:
    part = context.journal.part(Stage.CONTROL, BASELINE)
    assert part is not None  # written before the outcome
    assert part.digest is not None
    assert part.value is not None
    signature = context.target.signature
    if part.value["form"] == "keras":
        network = context.load_network(part.digest, signature, {"kind": "baseline"})
        inputs, expected = _measured(context, arms, "baseline")
        answers = ask(network.model, signature, inputs)
        exporting.compare(network, "the baseline", None, answers, expected, _TOLERANCE)
        return _of_network(context, "baseline", network, part.digest, card, reader, folder)
    files = read_zip(context.storage.require(part.digest))
    parts = folder / "baseline"
    parts.mkdir()
    for name, content in files.items():
        (parts / name).write_bytes(content)
    assert context.target.test is not None
    inputs = {signature.keys[name]: values for name, values in context.target.test.inputs.items()}
    answers = bundled_model.Baseline(parts).predict(inputs)
    exporting.check(signature, "the baseline", answers, arms["baseline"][0].test, _TOLERANCE)
    path = folder / "baseline.zip"
    packages = ("numpy", "onnxruntime") if bundled_model.TREES in files else ("numpy",)
    files["baseline.py"] = Path(bundled_model.__file__).read_bytes()
    exporting.write_bundle_of_files(
        signature, path, card, reader, files, {name: version_of(name) for name in packages}
    )
    return [Written("baseline", "bundle", path, "")]


def _measured(context: JobContext, arms: Arms, arm: str) -> tuple[dict[str, Array], Array]:
    """Test rows, and what the first seed of the arm predicted of them."""
    assert context.target.test is not None
    is_table, texts = context.target.signature.kind == "tabular", arms[arm][0].texts
    if texts is not None:
        first = slice(COMPARED_TEXTS)
        inputs = {name: values[first] for name, values in context.target.test.inputs.items()}
        return inputs, texts[first]
    rows = slice(None) if is_table else slice(COMPARED)  # large networks take their time
    inputs = {name: values[rows] for name, values in context.target.test.inputs.items()}
    return inputs, np.asarray(arms[arm][0].test[rows])


def _of_network(
    context: JobContext,
    arm: str,
    network: Network,
    digest: str,
    card: dict[str, Any],
    reader: exporting.Reader,
    folder: Path,
) -> list[Written]:
    """The durable file as it is, and a bundle around it."""
    model, bundle = folder / f"{arm}.keras", folder / f"{arm}.zip"
    model.symlink_to(context.storage.require(digest))
    exporting.write_bundle(network, bundle, card, reader, model)
    return [Written(arm, "keras", model, digest), Written(arm, "bundle", bundle, "")]
