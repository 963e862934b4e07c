"""What a job came to: the verdict, the gain, and which rows had been seen before."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

VerdictDetail = Literal[
    "equivalent",
    "too_few_rows",
    "control_learnt_nothing",
    "neither_beats_one_answer",
    "rows_seen",
    "one_seed",
]


class GainView(BaseModel):
    """Transfer minus control on the test rows; above zero, the transfer is better."""

    metric: str
    value: float
    low: float
    high: float
    confidence: float
    transfer: float
    control: float
    rows: int = Field(description="Test rows on which both were measured.")
    draws: int = Field(description="Bootstrap draws of the test rows on which the metric is defined.")
    seeds: int = Field(1, description="Trainings of each arm that were measured, one for each seed.")


class TriedRate(BaseModel):
    """A learning rate, and a strength of its regulariser, that an arm was trained with to choose them."""

    learning_rate: float
    regulariser_strength: float | None = Field(description="Null where none is chosen.")
    loss: float | None = Field(description="Of held-out rows; null if the training diverged.")
    accuracy: float | None = Field(description="Of held-out rows; null of numbers, too.")


class Choice(BaseModel):
    """The learning rate and the strength of its regulariser that an arm was trained with, and why."""

    learning_rate: float
    regulariser_strength: float | None = Field(
        description="Null where none is chosen, since the arm has no regulariser or a given strength."
    )
    by: Literal["given", "validation", "cross-validation", "default"] = Field(
        description="`given`: there was one to take. `validation`: it was the best on the validation rows. "
        "`cross-validation`: the same of train rows that were held out, since there are few validation rows. "
        "`default`: nothing is trained by steps, or too few rows are there to choose by."
    )
    tried: list[TriedRate] = Field(description="What was compared, with the first seed.")


ControlName = Literal[
    "from_scratch", "random_weights", "preset_weights", "random_structure", "untrained_teacher"
]


class Candidate(BaseModel):
    """A network without the source's knowledge, trained with the first seed."""

    name: ControlName = Field(
        description="`from_scratch`: the network from scratch. The others by the job's own method: "
        "`random_weights` and `preset_weights` from a source that was never trained, `random_structure` with "
        "another structure of the source's size, `untrained_teacher` from teachers that were never trained."
    )
    loss: float | None = Field(
        description="Of held-out rows, of the validation rows where there are enough; null if there are none "
        "or the training diverged."
    )
    accuracy: float | None = Field(description="Of the same rows; null of numbers, too.")
    metrics: dict[str, float | None] | None = Field(
        description="On the test rows, which choose nothing; null if the training diverged."
    )


class Control(BaseModel):
    """What the transfer is compared with: of the candidates the better one on held-out rows."""

    chosen: ControlName
    by: Literal["validation", "cross-validation", "default"] = Field(
        description="What it was chosen by; `default`: there were no rows to choose by, so it is the first."
    )
    candidates: list[Candidate]


class BaselineCandidate(BaseModel):
    """A model that a practitioner would use for such data, on held-out rows."""

    name: str = Field(
        description="What is fitted: of tables `linear` (logistic or ridge regression), `extra_trees`, "
        "`gradient_boosting`; linear models of texts `tfidf_words`, `tfidf_characters`, of sequences "
        "`kmers`, `one_hot`, of images `hog`, `pixels`; `kmers_gradient_boosting`; `preset_features`, a "
        "linear model of a preset's frozen features. `pooled_…`: on the source's rows as well, if its label "
        "is the same."
    )
    accuracy: float | None = Field(description="Of held-out rows; null of numbers.")
    loss: float = Field(description="Log loss of the same rows; of numbers the squared error in deviations.")


class Baseline(BaseModel):
    """What a practitioner would use: of the candidates the best on held-out rows."""

    chosen: str
    by: Literal["validation", "cross-validation", "default"] = Field(
        description="What it was chosen by; `default`: there were no rows to choose by, so it is the first."
    )
    candidates: list[BaselineCandidate]


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


class Spent(BaseModel):
    """What trainings took, those included that chose a learning rate or a structure."""

    updates: int = Field(description="Steps of the optimizer, each on one batch.")
    cpu_seconds: float = Field(
        description="Time of the worker's processors, all threads together, for training, for the features "
        "of frozen layers and for predictions. What a GPU computes is not in it."
    )


class SourceSpent(Spent):
    """What the source took in this job."""

    reused: bool = Field(
        description="It was there before: of an equal stage of an earlier job, a version or a preset."
    )


class Saved(Spent):
    """What would have been done as well, had it not been done before."""

    why: list[str] = Field(description="What was reused, and what each of it would have taken.")


class JobCost(BaseModel):
    """What the job's trainings took, by arm; of all attempts, but for work that was lost and done again."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Spent]

    source: SourceSpent
    transfer: Spent
    control: Spent | None = Field(None, description="Null if none was trained.")
    few_shot: Spent | None = Field(None, description="All few-shot points together, of transfer and control.")
    total: Spent = Field(description="All of them, and the other arms, each by its name.")
    saved: Saved


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
    verdict: Literal["helped", "no difference", "hurt"] | None = Field(
        description="Null if no control was trained, or where nothing can be told, see `verdict_details`."
    )
    verdict_details: list[VerdictDetail] = Field(
        description="Without a verdict: `too_few_rows`, `rows_seen` or `one_seed`. With one: `equivalent` "
        "within `evaluation.margin`; `control_learnt_nothing`, or `neither_beats_one_answer`, where the "
        "control, or both, are not shown to be better than one answer for all rows.",
        examples=[["equivalent"]],
    )
    reason: str
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
    choices: dict[str, Choice] = Field(
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
        description="What the transfer is compared with. Null if no control was trained.",
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
    rows_seen: RowsSeen = Field(
        description="Rows of the target that something in the transfer was trained or validated on.",
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
