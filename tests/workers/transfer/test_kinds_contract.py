"""What every kind of data keeps with every method and network: a new one is checked by being in the lists."""

from __future__ import annotations

import functools
import importlib
import json
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pytest

from app.jobs import recipes
from app.jobs.networks import NETWORKS
from app.jobs.recipe import Recipe
from tests.workers.transfer import examples
from tests.workers.transfer.traces import shared_fit
from workers.transfer.data import Data
from workers.transfer.methods.scratch import scratch
from workers.transfer.networks.inputs import image
from workers.transfer.networks.network import Network, build, load, weights_digest
from workers.transfer.training.features import FeatureStore, outputs, predict
from workers.transfer.training.options import Hooks, Stopped, Training

RECIPES: dict[str, type[Recipe]] = {
    recipe.model_fields["kind"].default: recipe for recipe in get_args(get_args(recipes.Method)[0])
}
STRATEGIES = [
    (kind, strategy)
    for kind, recipe in RECIPES.items()
    for strategy in get_args(recipe.model_fields["strategy"].annotation)
    if strategy != "decoupled"
]
OF_SEVERAL_LABELS = dict(one for one in STRATEGIES if one[1] != "contrastive")
ALL = [(kind, options) for kind, networks in examples.NETWORKS.items() for options in networks]
NAMES = [f"{kind}-{options['kind']}" for kind, options in ALL]
FIRST = [(kind, networks[0]) for kind, networks in examples.NETWORKS.items()]
FIT = shared_fit(Training(epochs=2, batch_size=16, learning_rate=0.01, seed=3))


@functools.cache
def source_of(kind: str, name: str, task: str = "binary") -> Network:
    options = next(one for of, one in ALL if (of, one["kind"]) == (kind, name))
    return scratch(options, examples.make(kind, task), FIT.named("source")).network


def as_keras_takes(network: Network, inputs: Any) -> Any:
    """Raw inputs for plain Keras: images as arrays."""
    if network.signature.kind != "image":
        return inputs
    channels = network.model.inputs[0].shape[-1]
    return {"image": np.stack([image.decode(value, channels) for value in inputs["image"]])}


@pytest.mark.parametrize(("kind", "options"), ALL, ids=NAMES)
def test_a_saved_network_answers_raw_inputs_in_plain_keras(kind, options, tmp_path: Path) -> None:
    network = source_of(kind, options["kind"])
    rows = examples.make(kind).test
    network.save(tmp_path / "model.keras")
    opened = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    answers = opened.predict(as_keras_takes(network, rows.inputs), verbose=0)
    np.testing.assert_allclose(answers, predict(network, rows.inputs), atol=1e-6)
    again = load(tmp_path / "model.keras", network.signature, network.options)
    np.testing.assert_array_equal(predict(again, rows.inputs), predict(network, rows.inputs))


@pytest.mark.parametrize("task", ["multiclass", "multilabel", "regression"])
@pytest.mark.parametrize(("kind", "options"), FIRST, ids=[kind for kind, _ in FIRST])
def test_every_task_is_learnt_from_every_kind(kind, options, task) -> None:
    network = source_of(kind, options["kind"], task)
    answers = predict(network, examples.make(kind, task).test.inputs)
    assert answers.shape[1] == (1 if task == "regression" else 3)
    assert np.isfinite(answers).all()


@pytest.mark.parametrize(
    ("kind", "task", "method", "strategy"),
    [
        *((kind, "binary", *strategy) for kind, _ in FIRST for strategy in STRATEGIES),
        *(("text", "multilabel", method, strategy) for method, strategy in OF_SEVERAL_LABELS.items()),
    ],
)
def test_every_method_takes_every_kind(kind, task, method, strategy) -> None:
    run = getattr(importlib.import_module(f"workers.transfer.methods.{method}"), method)
    asked = RECIPES[method](strategy=strategy).model_dump(exclude={"kind"})
    source = source_of(kind, dict(FIRST)[kind]["kind"], task)
    target = examples.make(kind, task, seed=1)
    before = weights_digest(source)

    def transfer(name: str) -> Any:
        return run(source, source.options, target, FIT.named(name), **asked)

    made = transfer("one")
    assert weights_digest(source) == before
    assert weights_digest(transfer("another").network) == weights_digest(made.network)
    told = [made.receipt, made.findings, made.history.epochs]
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    weights = [
        w for layer in made.receipt["layers"] if layer["part"] != "preprocessing" for w in layer["weights"]
    ]
    assert all(weight["moved"] == 0 for weight in weights if weight["training"] == "frozen")
    assert any(weight["moved"] != 0 for weight in weights)


@pytest.mark.parametrize("kind", ["text", "sequence", "image"])
def test_another_task_and_other_classes_get_a_new_head(kind) -> None:
    name = examples.NETWORKS[kind][0]["kind"]
    run = importlib.import_module("workers.transfer.methods.parameter").parameter
    made = run(source_of(kind, name), {}, examples.make(kind, "multiclass", seed=1), FIT.named("other"))
    head = next(layer for layer in made.receipt["layers"] if layer["part"] == "head")
    assert head["origin"] == "new"
    assert "another task: source binary, target multiclass" in head["why"]


@pytest.mark.parametrize("recipe", NETWORKS)
def test_every_network_names_the_kinds_it_reads(recipe) -> None:
    of_kind = {of for of, one in ALL if one["kind"] == recipe.model_fields["kind"].default}
    assert recipe.reads
    assert of_kind <= set(recipe.reads)


def test_new_tokens_leave_the_function_unchanged_at_step_0() -> None:
    from workers.transfer.methods.parts.schema_map import start

    source = source_of("text", "averaged")
    target = examples.make("text", seed=1, more=("an unheard opera",))
    begun, origins = start(source, target, 0)
    rows = target.test.inputs
    np.testing.assert_allclose(predict(begun, rows), predict(source, rows), atol=1e-6)
    carried = origins["backbone/mean/tokens"]
    assert carried.origin == "partly copied"
    assert {"unheard", "opera"} <= set(carried.new)


def test_a_sequence_reads_the_same_as_rna_and_in_small_letters() -> None:
    network = source_of("sequence", "sequence_convnet")
    dna = np.array(["ACGTTGCATATAAAGCGCGCACACGT"], dtype=object)
    rna = np.array([dna[0].replace("T", "U").lower()], dtype=object)
    np.testing.assert_array_equal(predict(network, {"sequence": dna}), predict(network, {"sequence": rna}))


def test_a_picture_of_another_kind_of_file_is_the_same_picture() -> None:
    import io

    from PIL import Image

    pixels = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)

    def saved(picture: Image.Image, **options: Any) -> bytes:
        out = io.BytesIO()
        picture.save(out, **options)
        return out.getvalue()

    upright = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    turned = saved(upright.transpose(Image.Transpose.ROTATE_90), format="PNG", exif=exif)
    see_through = upright.convert("RGBA")
    see_through.putalpha(255)
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    for data in (saved(upright, format="BMP"), turned, saved(see_through, format="WEBP", lossless=True)):
        np.testing.assert_array_equal(image.decode(data, 3), pixels)
    np.testing.assert_array_equal(image.decode(saved(deep, format="PNG"), 1)[..., 0], pixels[..., 0])


@pytest.mark.parametrize(("kind", "options"), FIRST, ids=[kind for kind, _ in FIRST])
def test_features_are_computed_once_and_found_by_the_next_training(kind, options, tmp_path: Path) -> None:
    network, rows = source_of(kind, options["kind"]), examples.make(kind).train
    store = FeatureStore(tmp_path, 1 << 30)
    parts = ["preprocessing", "backbone"]
    kept = outputs(network, parts, rows.inputs, store)
    files = {path: path.stat().st_ino for path in tmp_path.iterdir()}
    assert len(files) == 2
    assert isinstance(kept, np.memmap)
    np.testing.assert_array_equal(kept, outputs(network, parts, rows.inputs))
    network.save(tmp_path / "model.keras")
    again = load(tmp_path / "model.keras", network.signature, network.options)
    (tmp_path / "model.keras").unlink()
    outputs(again, parts, {kind: rows.inputs[kind].copy()}, store)
    assert {path: path.stat().st_ino for path in tmp_path.iterdir()} == files


def test_other_weights_and_other_rows_have_other_features(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, 1 << 30)
    network, rows = source_of("text", "averaged"), examples.make("text").train
    outputs(network, ["preprocessing", "backbone"], rows.inputs, store)
    other = scratch(network.options, examples.make("text"), FIT.named("other", seed=9)).network
    outputs(other, ["preprocessing", "backbone"], rows.inputs, store)
    outputs(network, ["preprocessing", "backbone"], {"text": rows.inputs["text"][1:]}, store)
    assert len(list(tmp_path.iterdir())) == 5  # the other network cuts texts alike


def test_how_weights_were_drawn_is_nothing_to_the_features(tmp_path: Path) -> None:
    store, network = FeatureStore(tmp_path, 1 << 30), source_of("text", "averaged")
    rows, options = examples.make("text").train, {**network.options}
    other = build(options, examples.make("text"), 9)
    other.model.set_weights(network.model.get_weights())
    for one in (network, other):
        outputs(one, ["preprocessing", "backbone"], rows.inputs, store)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_store_keeps_within_its_size_and_lets_the_longest_unused_go(tmp_path: Path) -> None:
    import os

    store = FeatureStore(tmp_path, 2500)
    for number in range(3):
        store.save(
            f"{number}", 100, iter([np.full((60, 2), number, np.float32), np.ones((40, 2), np.float32)])
        )
        os.utime(tmp_path / f"{number}.npy", (number, number))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.npy", "2.npy"]
    kept = store.load("2")
    assert kept is not None
    assert kept[:60].mean() == 2
    assert store.load("0") is None


def test_the_store_deletes_what_a_killed_process_left_and_nothing_that_is_being_written(
    tmp_path: Path,
) -> None:
    import fcntl

    store = FeatureStore(tmp_path, 1 << 30)
    (tmp_path / "left.part").write_bytes(b"half")
    with (tmp_path / "written.part").open("xb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        store.save("key", 1, iter([np.ones((1, 2), np.float32)]))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["key.npy", "written.part"]


@pytest.mark.parametrize(("kind", "options"), ALL, ids=NAMES)
def test_a_search_finds_a_structure_for_every_network(kind, options) -> None:
    from workers.transfer.methods.parts.searching import search

    fit = FIT.named("search", epochs=1, seed=0)  # draws small structures
    found = search(options, examples.make(kind), fit, tuner="random", trials=1)
    assert found.trials[0].options["kind"] == options["kind"]
    assert found.trials[0].options != options


def test_a_training_with_augmentation_repeats_itself_and_differs_from_one_without() -> None:
    def trained(augment: list[str] | None, kind: str) -> str:
        options = examples.NETWORKS[kind][0]
        fit = shared_fit(Training(epochs=1, batch_size=16, learning_rate=0.01, seed=3, augment=augment))
        return weights_digest(scratch(options, examples.make(kind), fit).network)

    for kind, changes in (("image", ["safe", "mirror"]), ("sequence", ["reverse_complement"])):
        assert trained(changes, kind) == trained(changes, kind) != trained(None, kind)


def test_an_augmentation_of_other_data_is_refused() -> None:
    data: Data = examples.make("text")
    fit = shared_fit(Training(epochs=1, batch_size=16, learning_rate=0.01, seed=3, augment=["mirror"]))
    with pytest.raises(ValueError, match=r"Expected augmentations of text data: none\. Received: mirror"):
        scratch(examples.NETWORKS["text"][0], data, fit)


@pytest.mark.parametrize(("kind", "options"), ALL, ids=NAMES)
def test_a_run_that_was_stopped_resumes_exactly_for_every_network(kind, options, tmp_path: Path) -> None:
    augment = {"image": ["safe"], "sequence": ["reverse_complement"]}.get(kind)
    training = Training(epochs=3, batch_size=1, learning_rate=0.01, seed=3, augment=augment)
    data = examples.make(kind)  # 36 train rows: two chunks of steps an epoch
    questions = iter([None] * 3 + ["paused"])
    kept = tmp_path / "kept.npz"

    def built() -> Network:
        return build(options, data, 3)

    undisturbed, stopped, resumed = built(), built(), built()
    store = FeatureStore(tmp_path / "features", 1 << 30)
    saving = Hooks(
        should_stop=lambda: next(questions),
        save_checkpoint=lambda path: kept.write_bytes(path.read_bytes()),
        features=store,
    )
    with pytest.raises(Stopped):
        shared_fit(training, saving)(stopped, data)
    # After it, so that the graph they share does not hold what the resumed run must read.
    history = shared_fit(training)(undisturbed, data)
    assert shared_fit(training, Hooks(checkpoint=kept, features=store))(resumed, data) == history
    assert weights_digest(resumed) == weights_digest(undisturbed)
    assert weights_digest(stopped) != weights_digest(undisturbed)


def test_a_disk_that_cannot_be_written_costs_no_training(tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "file").write_text("no folder")
    network, rows = source_of("text", "averaged"), examples.make("text").train
    store = FeatureStore(tmp_path / "file" / "features", 1 << 30)
    found = outputs(network, ["preprocessing"], rows.inputs, store)
    np.testing.assert_array_equal(found, outputs(network, ["preprocessing"], rows.inputs))
    assert "held in memory" in caplog.text
