"""The source's rows are pooled with the target's where they answer the same question."""

from dataclasses import replace

import numpy as np
import pytest

from tests.workers.transfer import examples
from workers.transfer.baselines.pooling import MOST_POOLED, pooled_rows, without
from workers.transfer.data import Column, Signature


def test_shared_columns_are_taken_and_others_are_missing(mixed) -> None:
    target = replace(
        mixed,
        signature=replace(
            mixed.signature,
            columns=(*mixed.signature.columns, Column("new", "number"), Column("late", "date")),
        ),
    )
    pool = pooled_rows(mixed, target)
    assert pool is not None
    assert (pool.inputs["city"] == mixed.train.inputs["city"]).all()
    assert np.isnan(pool.inputs["new"]).all()
    assert set(pool.inputs["late"]) == {""}
    assert (pool.targets == mixed.train.targets).all()


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_classes_are_numbered_as_the_targets(task) -> None:
    source = examples.make("text", task)
    classes = source.signature.classes[::-1]
    target = replace(source, signature=replace(source.signature, classes=classes))
    pool = pooled_rows(source, target)
    assert pool is not None
    if task == "multilabel":
        assert (pool.targets == source.train.targets[:, ::-1]).all()
    else:
        assert (pool.targets == len(classes) - 1 - source.train.targets).all()
    assert pool.targets.dtype == source.train.targets.dtype


OTHERS = {
    "another label": {"label": "z"},
    "another task": {"task": "multiclass"},
    "another class": {"classes": ("no", "perhaps")},
    "another input": {"columns": (Column("sequence", "protein"),)},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
def test_nothing_is_pooled_of(changes) -> None:
    target = examples.make("sequence")
    about: Signature = replace(target.signature, **changes)
    assert pooled_rows(replace(target, signature=about), target) is None


def test_rows_that_are_held_out_are_not_in_the_pool(mixed) -> None:
    pool = pooled_rows(mixed, mixed)
    left = without(pool, mixed.train.take(np.arange(10)))
    assert set(left.numbers) == set(mixed.train.numbers[10:])
    pictures = examples.make("image")
    assert len(without(pictures.train, pictures.train.take(np.arange(3)))) == len(pictures.train) - 3


def test_of_a_large_source_some_rows_are_taken(numbers) -> None:
    source, target = numbers(10_000), numbers(50, seed=1)
    pool = pooled_rows(source, target)
    assert len(pool) == MOST_POOLED
    assert pool.targets.mean() == pytest.approx(source.train.targets.mean(), abs=0.001)
