import math

import pytest

from tests.workers.transfer.traces import TRACED
from workers.transfer.methods.parts.equal_updates import as_many_updates
from workers.transfer.networks.network import build
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Budget, Training


@pytest.mark.parametrize(("rows", "epochs", "as_of"), [(12, 3, 60), (60, 2, 300), (10, 5, 10), (40, 3, 100)])
def test_epochs_over_fewer_rows_make_the_updates_of_those_over_more(rows, epochs, as_of, options, numbers):
    data = numbers(math.ceil(rows / 0.6))
    fit = Fit(Training(epochs=epochs, batch_size=8, learning_rate=0.01, seed=3), traced=TRACED)
    with as_many_updates(fit, len(data.train), as_of):
        fit(build(options, data, 3), data)
    wanted, epoch = epochs * math.ceil(as_of / 8), math.ceil(len(data.train) / 8)
    assert wanted <= fit.cost.updates < wanted + epoch
    assert fit.training.epochs == epochs


def test_patience_and_what_a_budget_counts_in_epochs_grow_alike():
    fit = Fit(Training(epochs=6, batch_size=8, learning_rate=0.01, seed=3, patience=2))
    with as_many_updates(fit, 16, 64):
        assert (fit.training.epochs, fit.training.patience) == (24, 8)
    budget = Budget(short_epochs=20, epochs_without_validation=10)
    fit = Fit(Training(epochs=None, batch_size=8, learning_rate=0.01, seed=3, budget=budget))
    with as_many_updates(fit, 16, 64):
        assert fit.training.budget == Budget(short_epochs=80, epochs_without_validation=40)
    assert fit.training.budget == budget


def test_rounds_over_fewer_rows_are_as_long_and_so_as_many(options, numbers):
    told = []
    for rows in (100, 20):
        data = numbers(rows)
        budget = Budget(round_updates=2, min_updates=8, max_updates=40, patience_updates=None)
        fit = Fit(
            Training(epochs=None, batch_size=6, learning_rate=0.01, seed=3, budget=budget), traced=TRACED
        )
        with as_many_updates(fit, len(data.train), 60):
            history = fit(build(options, data, 3), data)
        told.append([entry["updates"] for entry in history.epochs])
    assert told[0] == told[1] == [10, 20, 30, 40]


@pytest.mark.parametrize("has_validation", [True, False])
def test_limits_in_updates_are_the_same_for_arms_that_read_fewer_rows(has_validation, options, numbers):
    limits = {"round_updates": 4, "min_updates": 8, "max_updates": 40, "patience_updates": None}
    if not has_validation:
        limits |= {"patience_updates": 8, "epochs_without_validation": 2}
    spent = []
    for rows in (100, 20):
        data = numbers(rows)
        if not has_validation:
            data = data.__class__(data.signature, data.train, None, data.test)
        training = Training(epochs=None, batch_size=6, learning_rate=0.01, seed=3, budget=Budget(**limits))
        fit = Fit(training, traced=TRACED)
        with as_many_updates(fit, len(data.train), 60):
            fit(build(options, data, 3), data)
        spent.append(fit.cost.updates)
    assert spent[0] == spent[1] == (40 if has_validation else 20)
