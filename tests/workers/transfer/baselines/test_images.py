"""Images are histograms of oriented gradients, or their pixels."""

import numpy as np
import pytest

from tests.workers.transfer import examples
from workers.transfer.baselines import images


def _plain_hog(pixels, cell: int):
    """Dalal & Triggs' histograms of one grey picture (h, w), pixel by pixel."""
    height, width = pixels.shape
    cells = np.zeros((height // cell, width // cell, 9))
    for i in range(cells.shape[0] * cell):
        for j in range(cells.shape[1] * cell):
            down = pixels[i + 1, j] - pixels[i - 1, j] if 0 < i < height - 1 else 0.0
            across = pixels[i, j + 1] - pixels[i, j - 1] if 0 < j < width - 1 else 0.0
            angle = np.degrees(np.arctan2(down, across)) % 180
            cells[i // cell, j // cell, int(angle // 20) % 9] += np.hypot(down, across) / cell**2
    blocks = []
    for i in range(cells.shape[0] - 1):
        for j in range(cells.shape[1] - 1):
            block = cells[i : i + 2, j : j + 2].ravel()
            block = np.minimum(block / np.sqrt((block**2).sum() + 1e-10), 0.2)
            blocks.append(block / np.sqrt((block**2).sum() + 1e-10))
    return np.concatenate(blocks)


@pytest.mark.parametrize(("height", "width", "cell"), [(28, 28, 4), (17, 30, 2), (60, 90, 8)])
def test_hog_is_that_of_a_plain_loop(height: int, width: int, cell: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, height, width, 1)).astype(np.uint8)
    theirs = np.stack([_plain_hog(picture[..., 0].astype(np.float64), cell) for picture in pixels])
    np.testing.assert_allclose(images.hog(pixels), theirs, atol=1e-4)


def test_of_colours_the_strongest_gradient_counts() -> None:
    grey = np.random.default_rng(0).integers(0, 200, (1, 16, 16, 1)).astype(np.uint8)
    coloured = np.concatenate([grey // 4, grey, np.zeros_like(grey)], axis=-1)
    np.testing.assert_allclose(images.hog(coloured), images.hog(grey), atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 1), (3, 2, 3)])
def test_the_smallest_pictures_have_features(shape) -> None:
    assert np.isfinite(images.hog(np.full((2, *shape), 7, np.uint8))).all()


def test_pixels_are_those_of_at_most_32_times_32() -> None:
    data = examples.make("image", size=40)
    hog, pixels = images.readings(data)
    assert pixels.prepare(data.test.inputs)["pixels"].shape == (len(data.test), 32 * 32)
    assert hog.prepare(data.test.inputs)["hog"].shape[0] == len(data.test)
    small = examples.make("image")
    _, pixels = images.readings(small)
    assert pixels.prepare(small.test.inputs)["pixels"].max() <= 1.0
