from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from workers.transfer.training.options import Budget, Training
from workers.transfer.training.rounds import exactly, rounds
from workers.transfer.training.sampling import epoch_order

BUDGET = Training(epochs=None, batch_size=32, learning_rate=0.01, seed=3, budget=Budget())
EPOCHS = Training(epochs=7, batch_size=32, learning_rate=0.01, seed=3)


@pytest.mark.parametrize(("rows", "updates", "most"), [(40, 32, 93), (1000, 32, 93), (4000, 125, 24)])
def test_a_round_is_an_epoch_or_32_updates_where_that_has_fewer(rows: int, updates: int, most: int) -> None:
    cut = rounds(BUDGET, rows, validation_rows=50)
    assert (cut.updates, cut.most) == (updates, most)


@pytest.mark.parametrize("rows", [1, 7, 32, 40, 900])
def test_short_rounds_pass_over_all_rows_again_and_again_in_full_batches(rows: int) -> None:
    cut = rounds(BUDGET, rows, validation_rows=50)
    order = np.concatenate([cut.order(number) for number in range(3)])
    assert len(order) == 3 * 32 * cut.batch
    assert cut.batch == min(32, rows)
    whole = len(order) // rows
    for epoch in range(whole):
        assert sorted(order[epoch * rows : (epoch + 1) * rows]) == list(range(rows))
        assert (order[epoch * rows : (epoch + 1) * rows] == epoch_order(BUDGET, epoch, rows)).all()


def test_a_round_is_never_longer_than_the_budget_and_the_next_goes_on_where_it_ended() -> None:
    few = replace(BUDGET, budget=Budget(min_updates=20, max_updates=50))
    cut = rounds(few, 10_000, validation_rows=50)
    assert (cut.updates, cut.most) == (50, 1)
    both = np.concatenate([cut.order(number) for number in range(7)])
    assert (both[:10_000] == epoch_order(few, 0, 10_000)).all()
    assert (both[10_000:] == epoch_order(few, 1, 10_000)[: len(both) - 10_000]).all()


def losses(rate: float, rounds_: int = 93) -> list[float]:
    """Validation losses that fall towards .2, by so much of what is left in each round."""
    return [0.2 + 0.5 * (1 - rate) ** number for number in range(rounds_)]


@pytest.mark.parametrize(
    ("told", "is_cut_off"),
    [
        (losses(0.0), False),
        (losses(0.01), True),
        (losses(0.02), True),
        (losses(0.1), False),  # its last rounds bring less than a fifth of the mean
        (losses(0.01)[:92], False),  # not at its limit
        ([*losses(0.01)[:80], *[0.9] * 13], False),  # patience ended it
        ([0.7 - 0.005 * number for number in range(93)], True),
        ([], False),
    ],
)
def test_a_training_is_cut_off_where_its_loss_still_falls_at_its_limit(told: list[float], is_cut_off) -> None:
    cut = rounds(BUDGET, 40, validation_rows=50)
    assert cut.most == 93
    assert cut.is_cut_off(told) is is_cut_off


def test_of_few_long_rounds_the_last_half_is_looked_at() -> None:
    cut = rounds(BUDGET, 96_000, validation_rows=50)
    assert cut.most == 1
    assert not cut.is_cut_off([0.5])
    longer = rounds(replace(BUDGET, budget=Budget(max_updates=9000)), 96_000, validation_rows=50)
    assert longer.most == 3
    assert longer.is_cut_off([0.5, 0.4, 0.3])
    assert not longer.is_cut_off([0.5, 0.301, 0.3])


@pytest.mark.parametrize(
    "training",
    [EPOCHS, replace(BUDGET, budget=Budget(patience_updates=None)), exactly(BUDGET, 300, 40)],
    ids=["epochs", "no patience", "so many updates"],
)
def test_what_was_to_take_so_long_is_not_cut_off(training: Training) -> None:
    cut = rounds(training, 40, validation_rows=50)
    assert not cut.is_cut_off(losses(0.01, cut.most))
    assert not rounds(BUDGET, 40, validation_rows=29).is_cut_off(losses(0.01))


def test_rounds_count_on_from_an_earlier_run() -> None:
    first, second = rounds(BUDGET, 40, 50), rounds(BUDGET, 40, 50, first=2)
    assert (second.order(0) == first.order(2)).all()


def test_a_round_of_an_epoch_has_the_epochs_order() -> None:
    cut = rounds(BUDGET, 4001, validation_rows=50)
    assert (cut.order(2) == epoch_order(BUDGET, 2, 4001)).all()


def test_with_a_number_of_epochs_rounds_are_epochs() -> None:
    cut = rounds(EPOCHS, 40, validation_rows=0)
    assert (cut.updates, cut.most, cut.keeps_best) == (2, 7, False)
    assert (cut.order(3) == epoch_order(EPOCHS, 3, 40)).all()
    assert rounds(replace(EPOCHS, patience=2), 40, validation_rows=5).keeps_best


@pytest.mark.parametrize(
    ("done", "lowest", "over"),
    [(9, 1, False), (10, 10, False), (10, 6, False), (10, 5, True), (20, 16, False), (20, 15, True)],
)
def test_it_stops_after_300_updates_when_150_more_have_brought_nothing(
    done: int, lowest: int, over: bool
) -> None:
    assert rounds(BUDGET, 40, validation_rows=50).is_over(done, lowest) is over


def test_long_rounds_are_waited_for_three_times() -> None:
    cut = rounds(BUDGET, 4000, validation_rows=500)  # 125 updates each
    assert [cut.is_over(done, lowest=5) for done in (6, 7, 8)] == [False, False, True]


def test_few_validation_rows_choose_no_weights_from_before_300_updates() -> None:
    few, many = rounds(BUDGET, 40, validation_rows=99), rounds(BUDGET, 40, validation_rows=100)
    assert [few.may_be_best(done) for done in (1, 9, 10)] == [False, False, True]
    assert many.may_be_best(1)


def test_a_short_training_ends_with_the_round_that_its_epochs_end_in() -> None:
    table = replace(BUDGET, budget=Budget(short_epochs=20))
    of_50 = rounds(table, 50, validation_rows=20)  # 20 epochs are 40 updates
    assert [done for done in range(1, 12) if of_50.is_short(done)] == [2]
    assert not any(rounds(BUDGET, 50, validation_rows=20).is_short(done) for done in range(12))


@pytest.mark.parametrize(
    ("by", "one", "other", "better"),
    [
        ("accuracy", (0.9, 0.6), (0.8, 0.5), True),
        ("accuracy", (0.8, 0.4), (0.8, 0.5), True),
        ("accuracy", (0.8, 0.5), (0.8, 0.5), False),
        ("loss", (0.9, 0.6), (0.8, 0.5), False),
        ("loss", (0.7, 0.4), (0.8, 0.5), True),
    ],
)
def test_short_or_long_is_chosen_by_accuracy_and_then_by_loss_or_by_loss_alone(
    by: Literal["accuracy", "loss"], one: tuple[float, float], other: tuple[float, float], better: bool
) -> None:
    cut = rounds(replace(BUDGET, budget=Budget(chosen_by=by)), 50, validation_rows=20)
    first, second = ({"val_accuracy": accuracy, "val_loss": loss} for accuracy, loss in (one, other))
    assert cut.is_better(first, second) is better


@pytest.mark.parametrize(("rows", "updates"), [(40, 320), (800, 480), (400_000, 3000)])
def test_without_validation_rows_it_takes_20_epochs_within_the_limits(rows: int, updates: int) -> None:
    cut = rounds(BUDGET, rows, validation_rows=0)
    assert cut.updates * cut.most == pytest.approx(updates, abs=cut.updates - 1)
    assert not cut.keeps_best
    assert not cut.is_over(cut.most - 1, 0)


def test_never_fewer_updates_than_asked_for_nor_more_than_a_round_beyond() -> None:
    for training in (BUDGET, EPOCHS):
        for rows in (5, 100, 5000):
            for asked in (1, 33, 300):
                cut = rounds(exactly(training, asked, rows), rows, validation_rows=50)
                assert asked <= cut.updates * cut.most < asked + cut.updates
                assert not cut.keeps_best


@pytest.mark.parametrize("given", [{"epochs": None}, {"budget": Budget()}])
def test_a_training_has_epochs_or_a_budget(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="Expected epochs or a budget"):
        replace(EPOCHS, **given)


def test_fewer_than_30_validation_rows_choose_nothing() -> None:
    few, enough = (rounds(BUDGET, 40, validation_rows=count) for count in (29, 30))
    assert (few.keeps_best, few.most * few.updates) == (False, 320)
    assert (enough.keeps_best, enough.most * enough.updates) == (True, 2976)
    assert not few.is_over(9, 1)
