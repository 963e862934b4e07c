"""A task as numbers: near to its own halves, far from shuffled labels, blind to names."""

import functools
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests.workers.transfer import examples
from workers.transfer.choosing.probe_network import features
from workers.transfer.choosing.target import NotRankable
from workers.transfer.choosing.task_vector import TaskVector, distance, nearest, shuffled, task_vector
from workers.transfer.data import Column, Data, Rows, Signature
from workers.transfer.training.strengths import Content, fit_linear

KINDS = ["text", "sequence", "image", "tabular"]


@functools.cache
def tasks(kind: str) -> tuple[Data, Data]:
    """Two tasks of a kind that have nothing to do with each other, 240 rows each."""
    rng = np.random.default_rng(0)
    if kind == "image":
        return digits(range(5)), digits(range(5, 10))
    y = rng.integers(0, 2, (2, 240))
    if kind == "tabular":
        x = rng.normal(size=(2, 240, 4)).astype(np.float32)
        labels = [x[0, :, 0] - x[0, :, 1] > 0, x[1, :, 2] + x[1, :, 3] > 0]
        columns = tuple(Column(f"x{place}", "number") for place in range(4))
        inputs = [{f"x{place}": one[:, place] for place in range(4)} for one in x]
        return tuple(data(columns, *both) for both in zip(inputs, labels, strict=True))  # type: ignore[return-value]
    marks = {
        "text": (("awful dull boring", "lovely superb moving"), ("goal match referee", "vote law senate")),
        "sequence": (("TATAAATA", "GCGCCGCG"), ("CACACACA", "GTTGTTGT")),
    }[kind]
    rest = list("ACGT") if kind == "sequence" else ["the", "a", "of", "it", "was", "and", "then", "some"]
    made = []
    for of_task, labels in zip(marks, y, strict=True):
        values = np.empty(240, object)
        for row, label in enumerate(labels):
            if kind == "sequence":
                values[row] = "".join([*rng.choice(rest, 10), of_task[label], *rng.choice(rest, 10)])
            else:
                values[row] = " ".join([*rng.choice(rest, 4), rng.choice(of_task[label].split())])
        column = Column(kind, "text" if kind == "text" else "nucleotide")
        made.append(data((column,), {kind: values}, labels))
    return made[0], made[1]


def digits(of: range) -> Data:
    x, y = load_digits(return_X_y=True)
    rows = np.flatnonzero(np.isin(y, of))[:240]
    values = np.empty(len(rows), object)
    for place, row in enumerate(rows):
        out = io.BytesIO()
        Image.fromarray((x[row].reshape(8, 8) * 15).astype(np.uint8)).save(out, "PNG")
        values[place] = out.getvalue()
    return data((Column("image", "image"),), {"image": values}, y[rows] - of.start)


def data(columns, inputs, labels) -> Data:
    k = int(labels.max()) + 1
    targets = labels.astype(np.float32).reshape(-1, 1) if k == 2 else labels.astype(np.int64)
    signature = Signature(
        columns, "y", "binary" if k == 2 else "multiclass", tuple(f"c{place}" for place in range(k))
    )
    return Data(signature, Rows(inputs, targets, np.arange(len(labels))), None, None)


def half(of: Data, number: int) -> Data:
    return replace(of, train=of.train.take(np.arange(len(of.train)) % 2 == number))


@pytest.mark.parametrize("kind", KINDS)
def test_the_halves_of_a_data_set_are_nearest_and_shuffled_labels_move_away(kind: str) -> None:
    one, other = tasks(kind)
    vectors = {"half": task_vector(half(one, 1)), "shuffled": task_vector(shuffled(half(one, 1)))}
    vectors |= {f"other {number}": task_vector(half(other, number)) for number in (0, 1)}
    found = nearest(task_vector(half(one, 0)), list(vectors.items()))
    assert found[0][0] == "half"
    assert dict(found)["shuffled"] > dict(found)["half"] + 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_classes_that_are_renamed_and_ordered_otherwise_change_nothing(kind: str) -> None:
    one = tasks(kind)[0]
    k = len(one.signature.classes)
    turned = (k - 1 - one.train.targets).astype(one.train.targets.dtype)
    signature = replace(one.signature, classes=tuple(f"other {place}" for place in range(k)))
    renamed = task_vector(Data(signature, replace(one.train, targets=turned), None, None))
    vector = task_vector(one)
    assert distance(vector, renamed) == pytest.approx(0, abs=1e-3)
    assert vector.class_shares == pytest.approx(renamed.class_shares)
    assert vector.label_entropy == pytest.approx(renamed.label_entropy)


def test_the_fisher_diagonal_and_the_separation_are_what_their_definitions_say() -> None:
    """By loops over rows and classes."""
    one = tasks("image")[0]
    vector = task_vector(one)
    x, y = features(one.signature, one.train.inputs), one.train.targets
    weights = np.ones(len(x))
    kernel, bias = fit_linear(x, y, "multiclass", 5, weights, Content.of(x, y, weights)).fitted
    fisher = np.zeros(x.shape[1])
    for row in x:
        p = np.exp(row @ kernel + bias)
        p /= p.sum()
        fisher += sum(row**2 * q * (1 - q) for q in p)
    np.testing.assert_allclose(vector.fisher, fisher / fisher.sum(), rtol=1e-6, atol=1e-9)
    within = sum(((x[y == k] - x[y == k].mean(axis=0)) ** 2).sum(axis=0) for k in range(5))
    total = ((x - x.mean(axis=0)) ** 2).sum(axis=0)
    n = len(x)
    expected = [1 - (w / (n - 5)) / (t / (n - 1)) if t > 0 else 0 for w, t in zip(within, total, strict=True)]
    np.testing.assert_allclose(vector.separation, np.clip(expected, 0, 1), atol=1e-6)


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_tasks_of_labels_and_of_numbers_have_a_vector(task) -> None:
    vector = task_vector(examples.make("text", task))
    assert TaskVector.from_dict(json.loads(json.dumps(vector.to_dict(), allow_nan=False))) == vector
    assert sum(vector.fisher) == pytest.approx(1)
    assert max(vector.separation) > 0.3
    assert (vector.label_entropy is None) == (task == "regression")
    assert distance(vector, vector) == pytest.approx(0)


def test_vectors_of_other_networks_are_not_compared() -> None:
    text, image = (task_vector(examples.make(kind)) for kind in ("text", "image"))
    assert nearest(text, [("image", image)]) == []
    with pytest.raises(ValueError, match="Received: text-1 and image-1"):
        distance(text, image)


def test_a_task_without_classes_labels_or_numbers_has_no_vector() -> None:
    one = examples.make("text")
    with pytest.raises(NotRankable, match="Received: seq2seq"):
        task_vector(replace(one, signature=replace(one.signature, task="seq2seq")))
