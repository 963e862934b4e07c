"""How far a job is, by the training steps it has to do."""

from __future__ import annotations

import time
from typing import Any

from app.jobs.states import Stage

SHARE_OF_THE_REST = 0.02
"""What reading, evaluating and exporting count beside the training."""


class Progress:
    """Fraction and time left, from the steps of each training stage and its number of trainings.

    The time left is not told where the trainings may end early; the fraction then counts the most they take,
    and goes on by a leap where one does. It never goes back, not even below what an earlier attempt
    `reached`: what that had not made durable is done again meanwhile.
    """

    def __init__(
        self,
        steps: dict[Stage, int],
        trainings: dict[Stage, int] | None = None,
        *,
        may_end_early: bool = False,
        reached: float = 0.0,
    ) -> None:
        self._may_end_early = may_end_early
        self._highest = reached
        self._trainings = trainings or {}
        self._steps = {stage: count * self._trainings.get(stage, 1) for stage, count in steps.items()}
        steps = self._steps
        self._total = max(1, sum(steps.values()))
        self._begun_at = time.monotonic()
        self._begun_with: float | None = None

    def at(
        self,
        stage: Stage,
        epoch: int | None = None,
        epochs: int | None = None,
        finished: int = 0,
        share: float | None = None,
    ) -> dict[str, Any]:
        """Progress with `epoch` of `epochs` done of a training, after `finished` ones of the stage.

        `share` is the done share of the training, where it has no number of epochs. It never goes back.
        """
        order = list(Stage)
        before = sum(steps for done, steps in self._steps.items() if order.index(done) < order.index(stage))
        of_this = min(1.0, epoch / epochs) if epoch is not None and epochs else min(1.0, share or 0.0)
        # A stage that trains no network, since the baseline is all there is to fit, has none.
        of_stage = min(1.0, (finished + of_this) / max(1, self._trainings.get(stage, 1)))
        within = self._steps.get(stage, 0) * of_stage
        fraction = (before + within) / self._total * (1 - SHARE_OF_THE_REST)
        fraction = self._highest = max(fraction, self._highest)
        return {
            "stage": stage,
            "epoch": epoch,
            "epochs": epochs,
            "fraction": round(fraction, 4),
            "seconds_remaining": self._remaining(fraction),
        }

    def _remaining(self, fraction: float) -> float | None:
        if self._begun_with is None:
            self._begun_with, self._begun_at = fraction, time.monotonic()
        done = fraction - self._begun_with
        if done <= 0 or self._may_end_early:
            return None
        return round((time.monotonic() - self._begun_at) * (1 - fraction) / done, 1)
