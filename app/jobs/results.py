"""What a job came to: the verdict, the gain, and which rows had been seen before."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from app.jobs.result_arms import Baseline, Choice, Control
from app.jobs.result_cost import JobCost

VerdictDetail = Literal[
    "equivalent",
    "too_few_rows",
    "control_learnt_nothing",
    "neither_beats_one_answer",
    "rows_seen",
    "not_comparable",
    "not_converged",
    "one_seed",
]

Outcome = Literal["helped", "no difference", "hurt"]


class GainView(BaseModel):
    """Transfer minus control, on test rows or in a cross-validation; above zero, the transfer is better."""

    metric: str
    value: float
    low: float
    high: float
    confidence: float
    transfer: float
    control: float
    rows: int = Field(description="Rows on which both were measured: test rows, or all that folds hold out.")
    draws: int = Field(
        description="Bootstrap draws of the test rows on which the metric is defined; in a cross-validation "
        "folds."
    )
    seeds: int = Field(
        1, description="Trainings of each arm that were measured, one for each seed; each fold has one."
    )


class Versus(BaseModel):
    """The transfer against another arm."""

    gain: GainView | None = Field(description="Null where nothing can be told; its `control` is that arm.")
    reason: str


class DatasetOverlap(BaseModel):
    """Rows of the target among those of a data set that something in the transfer was trained on."""

    dataset: str = Field(description="Whose rows they are; it may be deleted.", examples=["source@1"])
    rows: int = Field(description="Its rows that something was trained or validated on.")
    test: int = Field(description="Test rows of the target among them.")
    validation: int = Field(description="Validation rows of the target among them.")
    near: int = Field(description="Of both, rows that are not equal, but nearly so.")
    overlap_not_tellable: bool = Field(
        description="Whether rows are equal, or could be, that may be so by chance, since rows repeat, are "
        "much alike, or few columns are shared. Such rows are not counted."
    )


class RowsSeen(BaseModel):
    """Rows of the target that something in the transfer was trained or validated on.

    The test rows among them are left out of every arm's comparison, and the validation rows choose nothing.
    """

    test: int = Field(description="Test rows that were left out.")
    test_rows: int = Field(description="Of so many.")
    validation: int = Field(description="Validation rows that were left out.")
    validation_rows: int = Field(description="Of so many.")
    datasets: list[DatasetOverlap] = Field(
        description="By data set: the source, what its version and its ancestors were trained on, what the "
        "teachers were, and the target itself where its unlabelled rows are used."
    )
    unknown: list[str] = Field(
        description="Presets, and versions without a record of their rows: what they were trained on is not "
        "known, so none of it is left out."
    )


class Chosen(BaseModel):
    """In how many folds each was chosen, by rows held out of the fold's train rows."""

    arm: dict[str, int] = Field(description="Transfer, control or baseline.")
    control: dict[str, int] = Field(description="The candidate that the control was.")
    baseline: dict[str, int] = Field(description="The candidate that the baseline was.")


class Proof(BaseModel):
    """What verdict, gains and recommendation are worked out from."""

    kind: Literal["test_rows", "cross-validation"] = Field(
        description="`test_rows`: the networks of all seeds on the target's test rows, as in `metrics`. "
        "`cross-validation`: all arms anew in each fold, so that it judges the procedure; the version itself "
        "is trained on the target's train and validation rows, and `metrics` are its own."
    )
    folds: int | None = Field(description="Null of test rows.")
    repeats: int | None = Field(description="How often the rows were dealt out to the folds.")
    rows: int = Field(description="Rows that were measured on; each row of a cross-validation counts once.")
    left_out: int = Field(description="Rows that something in the transfer was trained or validated on.")
    metrics: dict[str, dict[str, float | None]] = Field(
        description="By arm; of a cross-validation means over the folds in which the metric is defined."
    )
    chosen: Chosen | None = Field(description="What was chosen in the folds; null of test rows.")


class ChampionView(BaseModel):
    """The new version beside its model's champion, on test rows that neither was trained on."""

    version: str = Field(description="The champion it was compared with.", examples=["grades@1"])
    comparable: bool
    why: str | None = Field(description="Why they cannot be compared.")
    metric: str | None = None
    value: float | None = Field(None, description="New minus champion; above zero, the new one is better.")
    low: float | None = None
    high: float | None = Field(None, description="Below zero, the champion stays.")
    rows: int | None = Field(None, description="Test rows on which both were measured.")
    new: float | None = None
    champion: float | None = None


class JobResult(BaseModel):
    """The result of a job that succeeded."""

    version: str = Field(examples=["grades@1"])
    verdict: Outcome | None = Field(
        description="Null if no control was trained, or where nothing can be told, see `verdict_details`."
    )
    verdict_details: list[VerdictDetail] = Field(
        default=[],
        description="Without a verdict: `too_few_rows`; `rows_seen`, since too few rows are left that the "
        "source has not seen; `not_comparable`, where the metric is undefined or answers are not finite; "
        "`not_converged`, where the arm that lost was still learning at its limit, or one diverged; "
        "`one_seed`. With one: `equivalent` within `evaluation.margin`; `control_learnt_nothing`, or "
        "`neither_beats_one_answer`, where the control, or both, are not shown to be better than one answer "
        "for all rows.",
        examples=[["equivalent"]],
    )
    reason: str
    rows_needed: int | None = Field(
        None,
        description="Test rows, or labelled rows where folds hold them out, that would do, of the variance "
        "seen: with `too_few_rows` and `rows_seen` as many as a verdict needs and a gain as large as "
        "measured would show itself on; with `no difference` the latter. Null where more rows would not "
        "tell, or their number is not known.",
        examples=[420],
    )
    gain: GainView | None
    metrics: dict[str, dict[str, float | None]] = Field(
        examples=[
            {
                "transfer": {"accuracy": 0.91},
                "control": {"accuracy": 0.78},
                "baseline": {"accuracy": 0.86},
                "constant": {"accuracy": 0.52},
            }
        ]
    )
    proof: Proof | None = Field(
        None,
        description="What verdict, gains and recommendation are worked out from.",
        examples=[
            {
                "kind": "cross-validation",
                "folds": 5,
                "repeats": 2,
                "rows": 120,
                "left_out": 0,
                "metrics": {
                    "transfer": {"accuracy": 0.88},
                    "control": {"accuracy": 0.76},
                    "baseline": {"accuracy": 0.85},
                    "constant": {"accuracy": 0.53},
                },
                "chosen": {
                    "arm": {"transfer": 8, "baseline": 2},
                    "control": {"from_scratch": 6, "random_weights": 4},
                    "baseline": {"pooled_extra_trees": 10},
                },
            }
        ],
    )
    choices: dict[str, Choice] = Field(
        default={},
        description="The learning rate of each arm, and its regulariser's strength.",
        examples=[
            {
                "transfer": {
                    "learning_rate": 0.003,
                    "regulariser_strength": None,
                    "by": "validation",
                    "tried": [
                        {
                            "learning_rate": rate,
                            "regulariser_strength": None,
                            "loss": loss,
                            "accuracy": accuracy,
                        }
                        for rate, loss, accuracy in (
                            (0.001, 0.41, 0.82),
                            (0.003, 0.38, 0.86),
                            (0.01, 0.4, 0.84),
                        )
                    ],
                }
            }
        ],
    )
    champion: ChampionView | None = Field(
        None, description="How it did beside the model's champion at the time. Null if there was none."
    )
    control: Control | None = Field(
        None,
        description="What the transfer is compared with. Null if no control was trained, or all diverged.",
        examples=[
            {
                "chosen": "random_weights",
                "by": "validation",
                "candidates": [
                    {"name": "from_scratch", "loss": 0.52, "accuracy": 0.8, "metrics": {"accuracy": 0.78}},
                    {"name": "random_weights", "loss": 0.49, "accuracy": 0.83, "metrics": {"accuracy": 0.8}},
                ],
            }
        ],
    )
    baseline: Baseline | None = Field(
        None,
        description="What a practitioner would use. Null without `evaluation.baseline`.",
        examples=[
            {
                "chosen": "pooled_extra_trees",
                "by": "validation",
                "candidates": [
                    {"name": "linear", "accuracy": 0.8, "loss": 0.46},
                    {"name": "pooled_extra_trees", "accuracy": 0.84, "loss": 0.41},
                ],
            }
        ],
    )
    versus_control: Versus | None = Field(
        None, description="`gain` and `reason` again. Null if no control was trained."
    )
    versus_baseline: Versus | None = Field(
        None,
        description="The same against the baseline. Null without `evaluation.baseline`.",
        examples=[
            {
                "gain": {
                    "metric": "accuracy",
                    "value": 0.05,
                    "low": 0.01,
                    "high": 0.09,
                    "confidence": 0.95,
                    "transfer": 0.91,
                    "control": 0.86,
                    "rows": 400,
                    "draws": 10000,
                    "seeds": 3,
                },
                "reason": "With transfer the accuracy is 0.91, by the baseline (pooled extra trees) 0.86, "
                "on 400 test rows and 3 seeds: a gain of +0.05, whose 95% interval, +0.01 to +0.09, lies "
                "above 0.",
            }
        ],
    )
    recommendation: Literal["transfer", "control", "baseline", "train_both", "label_more"] | None = Field(
        None,
        description="What to use: the arm that is best on held-out rows. `train_both`: the test rows "
        "contradict it. `label_more`: they are too few to tell, or no arm is shown to be better than one "
        "answer for all rows. Null without `evaluation.baseline`.",
        examples=["transfer"],
    )
    recommendation_reason: str | None = Field(
        None,
        examples=[
            "Use the transfer: it has the highest accuracy on the 40 validation rows (0.9; the baseline "
            "(pooled extra trees) 0.84, the control 0.8)."
        ],
    )
    rows_seen: RowsSeen | None = Field(
        None,
        description="Rows of the target that something in the transfer was trained or validated on. Null if "
        "the job ran before the service told that.",
        examples=[
            {
                "test": 4,
                "test_rows": 60,
                "validation": 7,
                "validation_rows": 60,
                "datasets": [
                    {
                        "dataset": "source@1",
                        "rows": 320,
                        "test": 4,
                        "validation": 7,
                        "near": 0,
                        "overlap_not_tellable": False,
                    }
                ],
                "unknown": [],
            }
        ],
    )
    cost: JobCost | None = Field(
        None,
        description="What the trainings took, and what reuse saved.",
        examples=[
            {
                "source": {"updates": 0, "cpu_seconds": 0.0, "reused": True},
                "transfer": {"updates": 450, "cpu_seconds": 3.108},
                "control": {"updates": 1050, "cpu_seconds": 7.251},
                "few_shot": None,
                "total": {"updates": 1500, "cpu_seconds": 10.359},
                "saved": {
                    "updates": 640,
                    "cpu_seconds": 4.482,
                    "why": [
                        "The same source stage was run by job grades-9989107b before: 640 updates, "
                        "4.5 CPU seconds."
                    ],
                },
            }
        ],
    )
