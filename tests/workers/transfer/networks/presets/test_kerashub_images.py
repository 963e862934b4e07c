from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras_hub
import numpy as np
import pytest

from tests.plain_python import PlainPython
from tests.workers.transfer import examples
from tests.workers.transfer.networks.presets import tiny
from tests.workers.transfer.test_kinds_contract import FIT, as_keras_takes
from workers.transfer.methods.parameter import parameter
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.network import build
from workers.transfer.networks.presets.kerashub_images import kerashub_image
from workers.transfer.training.features import predict

# Keras 3.15 hands its variables to np.array, whose `copy` argument they do not know.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

OPTIONS = {"kind": "pretrained", "weights": "pretrained", "image_size": (32, 32), "channels": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small ResNet with a scaling of its own, written by KerasHub itself."""
    return tiny.image_preset(tmp_path_factory.mktemp("presets") / "small_resnet")


def test_a_preset_makes_of_an_image_what_kerashub_makes_of_it(folder: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.float32)
    ours = kerashub_image(InputSpec((32, 32, 3)), 0, folder, with_weights=True)
    original = keras_hub.models.Backbone.from_preset(str(folder))
    maps = original.predict(pixels / 127.5 - 1, verbose=0)
    np.testing.assert_allclose(ours.predict(pixels, verbose=0), maps.mean(axis=(1, 2)), rtol=1e-5)


def test_random_weights_follow_from_the_seed_alone(folder: Path) -> None:
    drawn = [kerashub_image(InputSpec((32, 32, 3)), seed, folder, with_weights=False) for seed in (1, 1, 2)]
    kernels = [model.get_weights()[0] for model in drawn]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert (kernels[0] != kernels[2]).any()


def test_a_probe_on_a_preset_opens_where_kerashub_is_not(
    folder: Path, tmp_path: Path, plain: PlainPython
) -> None:
    options = {**OPTIONS, "preset": folder.name, "folder": str(folder.parent)}
    target = examples.make("image", "multiclass", seed=1)
    source = replace(build(options, target, 0), is_backbone_alone=True)
    made = parameter(source, options, target, FIT.named("probe"), strategy="linear_probe")
    made.network.save(tmp_path / "model.keras")
    np.savez(tmp_path / "rows.npz", **as_keras_takes(made.network, target.test.inputs))
    program = (
        "import sys, keras, numpy as np; sys.modules['keras_hub'] = None\n"
        f"model = keras.saving.load_model({str(tmp_path / 'model.keras')!r})\n"
        f"rows = dict(np.load({str(tmp_path / 'rows.npz')!r}))\n"
        "print(repr(model.predict(rows, verbose=0).tolist()))"
    )
    done = plain.run("-c", program, cwd=tmp_path)
    answers = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(answers, predict(made.network, target.test.inputs), atol=1e-5)


@pytest.mark.parametrize("name", ["efficientnet", "efficientnet_v2", "mobilenet"])
def test_blocks_that_are_layers_of_kerashub_leave_keras_own_in_the_graph(name: str, tmp_path: Path) -> None:
    folder = tiny.image_preset(tmp_path / name, name)
    original = keras_hub.models.Backbone.from_preset(str(folder))
    ours = kerashub_image(InputSpec((32, 32, 3)), 0, folder, with_weights=True)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    means = original.predict(pixels, verbose=0).mean(axis=(1, 2))
    np.testing.assert_allclose(ours.predict(pixels, verbose=0), means, rtol=1e-5)
    assert "keras_hub" not in ours.to_json()
    assert len(ours.trainable_weights) == len(original.trainable_weights)
    drawn = kerashub_image(InputSpec((32, 32, 3)), 1, folder, with_weights=False)
    assert drawn.count_params() == original.count_params()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vit", r"Received: ViTBackbone, which makes \[\(None, 5, 8\)\] of 1 inputs"),
        ("mit", "so that the model opens without KerasHub. Received: MiTBackbone, with DropPath"),
    ],
)
def test_a_preset_of_layers_that_keras_has_not_is_refused(name: str, words: str, tmp_path: Path) -> None:
    folder = tiny.image_preset(tmp_path / name, name)
    with pytest.raises(ValueError, match=words):
        kerashub_image(InputSpec((32, 32, 3)), 0, folder, with_weights=True)
