import pytest

from workers.transfer.data import Data
from workers.transfer.fitting import Fit, Training
from workers.transfer.searching import search

FIT = Fit(Training(epochs=2, batch_size=32, learning_rate=0.01, seed=3))
SPACE = {"hidden_units": [[4], [8], [8, 8]], "activation": ["relu", "tanh"]}


@pytest.mark.parametrize("tuner", ["bayesian", "hyperband", "random"])
def test_the_best_of_the_trials_is_found(tuner, plain_options, numbers):
    found = search(plain_options, numbers(), FIT.named(""), tuner=tuner, trials=4, space=SPACE)
    assert [trial.number for trial in found.trials] == list(range(1, len(found.trials) + 1))
    assert 1 < len(found.trials) <= 4
    assert found.options == min(found.trials, key=lambda trial: trial.score).options
    assert all(trial.options["hidden_units"] in SPACE["hidden_units"] for trial in found.trials)


def test_the_kind_of_network_brings_its_own_space(options, numbers):
    found = search(options, numbers(), FIT.named(""), trials=3, epochs_per_trial=1)
    assert {trial.epochs for trial in found.trials} == {1}
    assert all(1 <= len(trial.options["hidden_units"]) <= 4 for trial in found.trials)
    assert len({str(trial.options) for trial in found.trials}) == 3


@pytest.mark.parametrize("tuner", ["bayesian", "hyperband"])
def test_an_interrupted_search_goes_on_exactly_and_repeats_no_trial(tuner, plain_options, numbers):
    asked = {"tuner": tuner, "trials": 5, "space": SPACE}
    undisturbed = search(plain_options, numbers(), FIT.named(""), **asked)
    kept, told = {}, []

    def die_at_the_second(trial):
        if trial.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(
            plain_options,
            numbers(),
            FIT.named(""),
            **asked,
            keep=kept.__setitem__,
            on_trial=die_at_the_second,
        )
    resumed = search(
        plain_options,
        numbers(),
        FIT.named(""),
        **asked,
        recall=kept.get,
        keep=kept.__setitem__,
        on_trial=told.append,
    )
    assert resumed == undisturbed
    assert [trial.number for trial in told] == [trial.number for trial in undisturbed.trials][2:]


def test_a_search_without_validation_rows_is_refused(plain_options, numbers):
    data = numbers()
    with pytest.raises(ValueError, match="Expected validation rows to search by"):
        search(plain_options, Data(data.signature, data.train, None, data.test), FIT.named(""))
