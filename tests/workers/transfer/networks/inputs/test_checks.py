"""What is written otherwise than a network reads it is no plausible prediction."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.workers.transfer import examples
from workers.transfer.data import Column, Data, Rows, Signature
from workers.transfer.networks.network import Network, build

RIGHT = ["2024-12-31", "2024-12-31T23:59:59", "2024-01-01T00:00:00", ""]
WRONG = [
    "31/12/2024", "2024/12/31", "20241231", "2024-12-31 23:59:59", "2024-12-31T23:59",
    "2024-12-31T23:59:59Z", "2024-12-31T23:59:59+02:00", "2024-12-31T23:59:59.5", "2024-31-12",
    "2024-00-10", "2024-01-32", "2024-01-01T24:00:00", "1735603200", "2024", "20240-01-01", "yesterday",
    "NA", " 2024-12-31", "-024-12-31", "2024-12-3", "2024-12-31T", "2024-1-1",
]  # fmt: skip


@pytest.fixture(scope="module")
def dated() -> Network:
    rng = np.random.default_rng(0)
    columns = (Column("n", "number"), Column("where", "date"), Column("any", "date"))
    days = np.array([f"20{n:02}-0{1 + n % 9}-1{n % 10}" for n in range(40)], object)
    inputs = {"n": rng.normal(size=40).astype(np.float32), "where": days, "any": days[::-1].copy()}
    rows = Rows(inputs, (np.arange(40) % 2).astype(np.float32).reshape(-1, 1), np.arange(40))
    options = {"kind": "mlp", "hidden_units": [6], "activation": "relu", "dropout": 0.0}
    options |= {"preprocessing": True, "max_categories": 256}
    return build(options, Data(Signature(columns, "y", "binary", ("a", "b")), rows, None, None), 0)


def test_a_date_of_another_form_predicts_nan_in_its_row_alone(dated: Network) -> None:
    days = [*RIGHT, *WRONG]
    rows = {
        "n": np.zeros(len(days), "float32"),
        "where": np.array(days, object),
        "any": np.array([""] * len(days), object),
    }
    for turned in (rows, {**rows, "where": rows["any"], "any": rows["where"]}):
        answers = dated.model.predict(turned, verbose=0)
        assert np.isnan(answers.ravel()).tolist() == [False] * len(RIGHT) + [True] * len(WRONG)


def test_a_reloaded_network_still_knows_its_dates(dated: Network, tmp_path) -> None:
    dated.save(tmp_path / "model.keras")
    opened = keras.saving.load_model(tmp_path / "model.keras")
    rows = {"n": np.zeros(2), "where": np.array(["2024-01-01", "01.02.2024"], object)}
    rows["any"] = rows["where"][::-1].copy()
    assert np.isnan(opened.predict(rows, verbose=0)).all()
    rows["any"] = rows["where"] = np.array(["2024-01-01"] * 2, object)
    assert np.isfinite(opened.predict(rows, verbose=0)).all()


@pytest.fixture(scope="module")
def pictures() -> Network:
    return build(examples.NETWORKS["image"][0], examples.make("image", "multiclass"), 0)


@pytest.mark.parametrize(
    ("low", "high", "fractions", "is_read"),
    [
        (0, 255, False, True),
        (0, 255, True, True),
        (0, 1, False, True),  # a mask, or nearly black
        (0, 0, False, True),
        (0, 1, True, False),
        (-1, 1, True, False),
        (-2.1, 2.6, True, False),
        (0, 65_535, False, False),
    ],
)
def test_pixels_of_another_scale_predict_nan(
    pictures: Network, low: float, high: float, fractions: bool, is_read: bool
) -> None:
    rng = np.random.default_rng(0)
    channels = pictures.model.inputs[0].shape[-1]
    image = rng.uniform(low, high, (1, 9, 7, channels)).astype(np.float32)
    image = image if fractions else image.round()
    assert np.isfinite(pictures.model.predict({"image": image}, verbose=0)).all() == is_read
    assert np.isfinite(np.asarray(pictures.model({"image": image}))).all() == is_read


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_of_other_channels_are_refused_after_any_prediction(channels: int, tmp_path) -> None:
    options = {**examples.NETWORKS["image"][0], "filters": [6], "channels": channels}
    build(options, examples.make("image", "multiclass"), 0).save(tmp_path / "model.keras")
    opened = keras.saving.load_model(tmp_path / "model.keras")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 12, 12, 6)).astype(np.float32)
    for side in (9, 12):  # of two sizes TensorFlow makes one graph for any
        answers = opened.predict({"image": pixels[:, :side, :, :channels]}, verbose=0)
        assert np.isfinite(answers).all()
    for other in {1, 2, 3, 4, 6} - {channels}:
        # Which layer refuses them, and how, depends on what TensorFlow fused: its words are its own.
        refusals = r"Matrix size|expected shape|[Dd]epth of input|[Ii]nput depth|grouped convolution"
        with pytest.raises((ValueError, tf.errors.OpError), match=refusals):
            opened.predict({"image": pixels[..., :other]}, verbose=0)
