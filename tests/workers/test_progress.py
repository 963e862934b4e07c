from __future__ import annotations

import pytest

from app.jobs.states import Stage
from workers.progress import SHARE_OF_THE_REST, Progress

STEPS = {Stage.SOURCE: 600, Stage.TRANSFER: 200, Stage.CONTROL: 200}


@pytest.mark.parametrize(
    ("stage", "epoch", "share"),
    [
        (Stage.SOURCE, None, 0.0),
        (Stage.SOURCE, 5, 0.3),
        (Stage.TRANSFER, 0, 0.6),
        (Stage.TRANSFER, 10, 0.8),
        (Stage.CONTROL, 5, 0.9),
        (Stage.EXPORT, None, 1.0),
    ],
)
def test_a_fraction_counts_the_steps_of_all_stages(stage: Stage, epoch: int | None, share: float) -> None:
    told = Progress(STEPS).at(stage, epoch, 10 if epoch is not None else None)
    assert told["fraction"] == pytest.approx(share * (1 - SHARE_OF_THE_REST))
    assert (told["stage"], told["epoch"]) == (stage, epoch)


def test_the_time_left_is_not_told_before_anything_is_done() -> None:
    progress = Progress(STEPS)
    assert progress.at(Stage.SOURCE)["seconds_remaining"] is None
    assert progress.at(Stage.SOURCE, 5, 10)["seconds_remaining"] is not None


def test_a_job_without_any_training_has_a_fraction_too() -> None:
    assert Progress({}).at(Stage.EVALUATE)["fraction"] == 0.0


def test_where_trainings_may_end_early_progress_never_goes_back_and_tells_no_time() -> None:
    progress = Progress(STEPS, {Stage.SOURCE: 2}, may_end_early=True)
    told = [
        progress.at(Stage.SOURCE, 9, None, 0, 0.4),
        progress.at(Stage.SOURCE, 1, None, 0, 0.1),  # another learning rate is tried
        progress.at(Stage.SOURCE, 9, None, 1, 0.4),
    ]
    assert [one["fraction"] for one in told] == sorted(one["fraction"] for one in told)
    assert told[0]["fraction"] < told[-1]["fraction"]
    assert {(one["epochs"], one["seconds_remaining"]) for one in told} == {(None, None)}


def test_a_stage_that_trains_no_network_moves_nothing() -> None:
    progress = Progress(STEPS, {Stage.CONTROL: 0})
    assert progress.at(Stage.CONTROL)["fraction"] == progress.at(Stage.EVALUATE)["fraction"]


def test_a_later_attempt_goes_on_from_what_was_told_before() -> None:
    progress = Progress(STEPS, reached=0.5)
    assert [progress.at(Stage.SOURCE, epoch, 10)["fraction"] for epoch in (1, 8)] == [0.5, 0.5]
    assert progress.at(Stage.SOURCE, 8, 10)["seconds_remaining"] is None
    assert progress.at(Stage.TRANSFER, 5, 10)["fraction"] == pytest.approx(0.7 * (1 - SHARE_OF_THE_REST))
    assert progress.at(Stage.TRANSFER, 5, 10)["seconds_remaining"] is not None
