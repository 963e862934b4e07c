"""The baseline: what a practitioner would use for such data in scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.jobs.budgets import chosen_by
from app.jobs.states import Stage
from workers.job_context import JobContext
from workers.job_rows import DatasetFacts, PresetFacts
from workers.stages.arm_models import keep_baseline
from workers.transfer.baselines import answers, features, translations
from workers.transfer.baselines.choosing import Baseline, choose, readings_of
from workers.transfer.baselines.readings import Reading
from workers.transfer.data import Array
from workers.transfer.methods.parts import rates, trials
from workers.transfer.methods.parts.held_out import Score
from workers.transfer.networks.network import Network, build
from workers.transfer.proof.evaluation import Outcome
from workers.transfer.tasks import OF_TEXTS
from workers.transfer.training.features import FeatureStore, stopwatch
from workers.transfer.training.options import Training

CHOICE = "choice baseline"


@dataclass(frozen=True, eq=False)
class Fitted:
    """The baseline's outcome, and what is told of it: `chosen`, `by`, the `candidates` with their scores."""

    outcome: Outcome
    told: dict[str, Any]

    @property
    def score(self) -> Score | None:
        """That of the chosen candidate on held-out rows; None where there were none.

        The loss of what tells no probabilities is infinite.
        """
        scores = {
            one["name"]: Score(np.inf if one["loss"] is None else one["loss"], one["accuracy"])
            for one in self.told["candidates"]
        }
        return scores.get(self.told["chosen"])


def baseline(context: JobContext, source: Sequence[Network], *, keeps_model: bool = True) -> Fitted:
    """The candidate that is best on the rows by which the networks' rates are chosen; no seed enters.

    Its answers become durable, and before them the file of its model, if it is kept. Of translations there
    is none to keep: what is nearest is looked up among the train rows; nor of questions.
    """
    seed = context.seeds[0]
    run = f"baseline/{seed}"

    def compute() -> Outcome:
        fit = context.trainings.fit(Stage.CONTROL, run, context.training, seed=seed)
        seconds = stopwatch(fit.hooks.features)
        data = context.target
        spec = context.job.spec
        if data.signature.task in OF_TEXTS:
            found = (translations if data.signature.task == "seq2seq" else answers).choose(data)
            fit.cost.add(0, seconds())
            context.journal.save_part(Stage.CONTROL, context.prefix + CHOICE, value=_told_of_texts(found))
            return Outcome(seed, found.statistics, None, [], texts=np.array(found.texts, np.str_))
        made = choose(
            readings(context, source, fit.hooks.features),
            data,
            fit.training,
            fit.hooks,
            folds(context, fit.training),
            chosen_by(spec.training, spec.evaluation.metric, data.signature.task),
        )
        assert data.test is not None  # checked before the job was accepted
        held_out = None if data.validation is None else made.answers(data.validation.inputs)
        outcome = Outcome(seed, made.answers(data.test.inputs), held_out, [])
        fit.cost.add(0, seconds() + made.earlier_seconds)
        if keeps_model:
            keep_baseline(context, made)
        context.journal.save_part(Stage.CONTROL, context.prefix + CHOICE, value=_told(made))
        return outcome

    outcome = context.trainings.computed(Stage.CONTROL, run, compute)
    part = context.journal.part(Stage.CONTROL, context.prefix + CHOICE)
    assert part is not None  # written before the outcome
    assert part.value is not None
    return Fitted(outcome, part.value)


def readings(
    context: JobContext, source: Sequence[Network], store: FeatureStore | None = None
) -> list[Reading]:
    """Those of the kind of data, with the source's rows pooled; with a preset its frozen features, too."""
    pooled = context.data(context.job.source) if isinstance(context.job.source, DatasetFacts) else None
    found = readings_of(context.target, pooled)
    if isinstance(context.job.source, PresetFacts):
        found.append(features.reading(source[0], store))
    elif context.options["kind"] == "pretrained":
        network = build(context.options, context.target, context.seeds[0])
        found.append(features.reading(network, store))
    return found


def folds(context: JobContext, training: Training) -> Array | None:
    """The folds by which the networks' rates are chosen, (n,) of the train rows; None by validation rows."""
    data, budget = context.target, training.budget
    if rates.is_judged_by_validation(data, budget):
        return None
    numbers = np.full(len(data.train), -1)
    parts = trials.folds(data, 3 if budget is None else budget.search_folds, training.seed)
    for number, (_, held_out) in enumerate(parts):
        numbers[np.isin(data.train.numbers, held_out.numbers)] = number
    return numbers


def _told(made: Baseline) -> dict[str, Any]:
    candidates = [score.to_dict() for score in made.candidates]
    return {"chosen": made.chosen, "by": made.by, "candidates": candidates}


def _told_of_texts(made: translations.Translated) -> dict[str, Any]:
    candidates = [{"name": name, "accuracy": score, "loss": None} for name, score in made.scores.items()]
    return {"chosen": made.chosen, "by": made.by, "candidates": candidates}
