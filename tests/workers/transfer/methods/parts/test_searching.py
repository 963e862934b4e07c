import json

import pytest

from tests.workers.transfer.traces import shared_fit
from workers.transfer.data import Data
from workers.transfer.methods.parts.searching import search
from workers.transfer.methods.scratch import scratch
from workers.transfer.training.options import Hooks, Training

FIT = shared_fit(Training(epochs=2, batch_size=32, learning_rate=0.01, seed=0))
SPACE = {"hidden_units": [[2], [4], [8], [4, 4], [8, 8]], "activation": ["relu", "tanh", "selu"]}


@pytest.mark.parametrize(("tuner", "trials"), [("bayesian", 5), ("random", 3)])
def test_the_best_of_the_trials_is_found_and_none_is_tried_twice(tuner, trials, plain_options, numbers):
    found = search(plain_options, numbers(), FIT.named(""), tuner=tuner, trials=trials, space=SPACE)
    assert [trial.number for trial in found.trials] == list(range(1, trials + 1))
    assert len({str(trial.options) for trial in found.trials}) == trials
    assert found.options == min(found.trials, key=lambda trial: trial.score).options
    assert all(trial.options["hidden_units"] in SPACE["hidden_units"] for trial in found.trials)
    # All that is not searched for stays.
    assert {**found.options, **dict.fromkeys(SPACE)} == {**plain_options, **dict.fromkeys(SPACE)}


def test_a_score_is_the_lowest_validation_loss_of_that_network_from_scratch(options, numbers):
    trial = search(options, numbers(), FIT.named(""), tuner="random", trials=1, space=SPACE).trials[0]
    history = scratch(trial.options, numbers(), FIT.named("")).history
    assert trial.score == min(epoch["val_loss"] for epoch in history.epochs)


def test_hyperband_spends_no_more_epochs_than_the_trials_would_and_goes_on_with_the_best(
    plain_options, numbers
):
    space = {"hidden_units": [[units] for units in range(1, 20)]}
    found = search(
        plain_options, numbers(), FIT.named(""), tuner="hyperband", trials=4, epochs_per_trial=3, space=space
    )
    assert len(found.trials) > 4
    assert 4 * 3 - 3 < sum(trial.epochs for trial in found.trials) <= 4 * 3
    short = [trial for trial in found.trials if trial.epochs == 1]
    longer = next(trial for trial in found.trials if trial.epochs == 3)
    assert longer.options == min(short, key=lambda trial: trial.score).options


def test_the_kind_of_network_brings_its_own_space(options, numbers):
    found = search(options, numbers(), FIT.named(""), tuner="random", trials=4, epochs_per_trial=1)
    assert {trial.epochs for trial in found.trials} == {1}
    units = [trial.options["hidden_units"] for trial in found.trials]
    assert all(1 <= len(layers) <= 4 and 16 <= min(layers) <= max(layers) <= 512 for layers in units)
    assert len({str(trial.options) for trial in found.trials}) == 4


@pytest.mark.parametrize("tuner", ["bayesian", "hyperband", "random"])
def test_a_small_space_is_tried_in_whole(tuner, plain_options, numbers):
    space = {"hidden_units": [[4], [8]], "activation": ["relu", "tanh"]}
    found = search(plain_options, numbers(), FIT.named(""), tuner=tuner, trials=4, space=space)
    tried = {(*trial.options["hidden_units"], trial.options["activation"]) for trial in found.trials}
    assert tried == {(4, "relu"), (4, "tanh"), (8, "relu"), (8, "tanh")}
    assert [trial.epochs for trial in found.trials] == [2] * 4


@pytest.mark.parametrize(
    ("tuner", "trials"), [("bayesian", 4), pytest.param("hyperband", 3, marks=pytest.mark.slow)]
)
def test_an_interrupted_search_goes_on_exactly_and_trains_only_the_rest(
    tuner, trials, plain_options, numbers
):
    asked = {"tuner": tuner, "trials": trials, "epochs_per_trial": 3, "space": SPACE}
    whole = shared_fit(FIT.training)
    undisturbed = search(plain_options, numbers(), whole, **asked)
    kept, told = {}, []

    def die_at_the_second(trial):
        if trial.number == 2:
            raise KeyboardInterrupt

    def save_trial(key, value):
        kept[key] = json.dumps(value)

    def load_trial(key):
        return json.loads(kept[key]) if key in kept else None

    with pytest.raises(KeyboardInterrupt):
        search(
            plain_options,
            numbers(),
            FIT.named(""),
            **asked,
            save_trial=save_trial,
            on_trial=die_at_the_second,
        )
    trained, costs = [], [json.loads(value)["cost"] for value in kept.values()]
    fit = shared_fit(FIT.training, Hooks(on_epoch=lambda run, epoch, values: trained.append(run)))
    resumed = search(
        plain_options,
        numbers(),
        fit,
        **asked,
        load_trial=load_trial,
        save_trial=save_trial,
        on_trial=told.append,
    )
    assert resumed == undisturbed
    assert told == undisturbed.trials[2:]
    assert set(trained) == {f"trial/{trial.number}" for trial in told}
    assert fit.cost.updates == whole.cost.updates > 0
    assert fit.cost.cpu_seconds > sum(cost["cpu_seconds"] for cost in costs) > 0


def test_what_is_kept_of_another_search_is_not_taken_for_a_trial(plain_options, numbers):
    asked = {"tuner": "random", "trials": 2, "space": SPACE}
    of_another = {"options": {**plain_options, "hidden_units": [99]}, "score": -1.0, "epochs": 2}
    found = search(plain_options, numbers(), FIT.named(""), **asked, load_trial=lambda key: of_another)
    assert found == search(plain_options, numbers(), FIT.named(""), **asked)


def test_a_search_without_validation_rows_is_refused(plain_options, numbers):
    data = numbers()
    with pytest.raises(ValueError, match="Expected validation rows for the search"):
        search(plain_options, Data(data.signature, data.train, None, data.test), FIT.named(""))


@pytest.mark.parametrize(
    ("space", "received"),
    [({"units": [1]}, "units"), ({"dropout": []}, "dropout"), ({"kind": ["mlp"]}, "kind"), ({}, "none")],
)
def test_a_space_that_does_not_fit_the_network_is_refused(space, received, plain_options, numbers):
    with pytest.raises(ValueError, match=f"Expected values to try .* Received: {received}"):
        search(plain_options, numbers(), FIT.named(""), space=space)
