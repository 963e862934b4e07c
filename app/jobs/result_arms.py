"""What the arms of a job came to on held-out rows: rates, candidates of the control and of the baseline."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


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
        "is the same. Of pairs `copy_source` answers the source as it is, `nearest_target` the target of the "
        "train pair whose source is most alike, by tf-idf of letters. Of questions `similar_sentence` "
        "answers the sentence of the context that is most like the question, by tf-idf of words, whole."
    )
    accuracy: float | None = Field(
        description="Of held-out rows; null of numbers. Of translations the mean of the sentences' chrF, "
        "of questions that of the answers' F1."
    )
    loss: float | None = Field(
        description="Log loss of the same rows; of numbers the squared error in deviations; null of "
        "translations and questions, whose baseline tells no probabilities."
    )


class Baseline(BaseModel):
    """What a practitioner would use: of the candidates the best on held-out rows."""

    chosen: str
    by: Literal["validation", "cross-validation", "default"] = Field(
        description="What it was chosen by; `default`: there were no rows to choose by, so it is the first."
    )
    candidates: list[BaselineCandidate]
