"""The stage `control`: the arms that the transfer is compared with, and the few-shot curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from app.jobs.states import Stage
from workers.job_context import Arms, JobContext
from workers.job_rows import PresetFacts
from workers.stages.ablations import ablation
from workers.stages.source import search_structure
from workers.stages.transfer import transferred, with_pseudo_labels
from workers.transfer.data import Data, few_shot_subset
from workers.transfer.methods import scratch
from workers.transfer.methods.parts.receipt import Transferred
from workers.transfer.methods.structure import structure
from workers.transfer.networks.inputs import geometry
from workers.transfer.networks.network import Network, in_sequence
from workers.transfer.proof.evaluation import Outcome
from workers.transfer.training.fitting import Fit


def control(context: JobContext, source: Sequence[Network], arms: Arms) -> dict[int, Arms]:
    """The other arms, under the same budget and seeds, and the few-shot curve by rows of a class."""
    asked = context.job.spec.evaluation
    if not (asked.control or asked.arms or asked.few_shot):
        return {}
    done = context.journal.finished(Stage.CONTROL)
    if done is None:
        context.begin_stage(Stage.CONTROL)
    options = _control_options(context)
    if asked.control:
        arms["control"] = _arm(
            context, "control", context.target, partial(_scratch, context, source[0], options)
        )
    for arm in asked.arms:
        arms[arm] = _arm(context, arm, context.target, ablation(context, source, arm))
    curve: dict[int, Arms] = {}
    for count in asked.few_shot:
        data = few_shot_subset(context.target, count, context.job.spec.training.seed)
        place = f"few_shot/{count}"
        curve[count] = {
            "transfer": [
                context.trainings.outcome(
                    Stage.CONTROL,
                    run := f"{place}/transfer/{seed}",
                    data,
                    partial(transferred, context, source, data, run, seed, Stage.CONTROL),
                )[0]
                for seed in context.seeds
            ]
        }
        if asked.control:
            curve[count]["control"] = _arm(
                context, f"{place}/control", data, partial(_scratch, context, source[0], options)
            )
    if done is None:
        context.journal.ended(Stage.CONTROL, {}, None, "The networks to compare with are trained.")
    return curve


def _arm(
    context: JobContext, arm: str, data: Data, make: Callable[[Data, Fit], Transferred]
) -> list[Outcome]:
    def train(run: str, seed: int) -> Transferred:
        return make(data, context.trainings.fit(Stage.CONTROL, run, context.training, seed=seed))

    runs = {seed: f"{arm}/{seed}" for seed in context.seeds}
    return [
        context.trainings.outcome(Stage.CONTROL, run, data, partial(train, run, seed))[0]
        for seed, run in runs.items()
    ]


def _scratch(
    context: JobContext, source: Network, options: dict[str, Any], data: Data, fit: Fit
) -> Transferred:
    """The same network with fresh weights; options do not describe what an earlier job joined."""
    same = context.job.spec.method.kind in ("parameter", "structure") and not context.searches
    if same:
        options = {**options, **geometry(source.options)}
    if options["kind"] == "pretrained":
        # Without a source data set, what is transferred is the preset itself.
        drawn = isinstance(context.job.source, PresetFacts)
        options = {**options, **context.preset_location, "weights": "random" if drawn else options["weights"]}
    elif same and not in_sequence(source.backbone):
        return with_pseudo_labels(context, structure(source, options, data, fit, strategy="reuse"), data, fit)
    return with_pseudo_labels(context, scratch.scratch(options, data, fit), data, fit)


def _control_options(context: JobContext) -> dict[str, Any]:
    """The network from scratch: the same, or after a search what as many trials on the target find.

    Nothing can be searched for where all validation rows were seen by the source.
    """
    spec = context.job.spec
    if not (context.searches and spec.evaluation.control) or context.target.validation is None:
        return context.options
    return search_structure(context, Stage.CONTROL, context.options, context.target, context.training).options
