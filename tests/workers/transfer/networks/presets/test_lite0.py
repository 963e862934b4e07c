from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.presets.lite0 import lite0
from workers.transfer.networks.presets.lookup import find_preset
from workers.transfer.networks.presets.torch_files import read_tensors

WEIGHTS = find_preset("efficientnet_lite0", None).path
DAISY, BUILDINGS = {985}, {442, 449, 663, 698}
"""ImageNet's numbers: daisy; bell cote, boathouse, monastery, palace."""


@pytest.mark.parametrize(("name", "expected"), [("flower.jpg", DAISY), ("china.jpg", BUILDINGS)])
def test_a_photograph_is_of_what_it_shows(name: str, expected: set[int]) -> None:
    # Wrong strides, padding or scaling all end in other classes.
    pixels = np.asarray(Image.fromarray(load_sample_image(name)).resize((224, 224), Image.Resampling.BICUBIC))
    features = np.asarray(lite0(InputSpec((224, 224, 3)), 0, WEIGHTS)(pixels[None].astype(np.float32)))
    tensors = read_tensors(WEIGHTS)
    logits = features @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    assert int(logits.argmax()) in expected


def test_without_weights_they_follow_from_the_seed_alone() -> None:
    one, same, other = (lite0(InputSpec((32, 32, 3)), seed, None).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


def test_a_file_of_weights_can_run_nothing(tmp_path: Path) -> None:
    out = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {}, _Evil()):
        pickle.dump(value, out, protocol=2)
    path = tmp_path / "evil.pth"
    path.write_bytes(out.getvalue())
    with pytest.raises(pickle.UnpicklingError, match=r"asks for posix\.system|asks for nt\.system"):
        read_tensors(path)


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.pth"
    path.write_bytes(WEIGHTS.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="cut off"):
        read_tensors(path)
