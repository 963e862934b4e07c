"""The stage `control`: the arms that the transfer is compared with, and the few-shot curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from app.jobs.states import Stage
from workers.facts import PresetFacts
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
from workers.work import Arms, Work


def control(work: Work, source: Sequence[Network], arms: Arms) -> dict[int, Arms]:
    """The other arms, under the same budget and seeds, and the few-shot curve by rows of a class."""
    asked = work.job.spec.evaluation
    if not (asked.control or asked.arms or asked.few_shot):
        return {}
    done = work.journal.finished(Stage.CONTROL)
    if done is None:
        work.begin(Stage.CONTROL)
    options = _control_options(work)
    if asked.control:
        arms["control"] = _arm(work, "control", work.target, partial(_scratch, work, source[0], options))
    for arm in asked.arms:
        arms[arm] = _arm(work, arm, work.target, ablation(work, source, arm))
    curve: dict[int, Arms] = {}
    for count in asked.few_shot:
        data = few_shot_subset(work.target, count, work.job.spec.training.seed)
        place = f"few_shot/{count}"
        curve[count] = {
            "transfer": [
                work.trainings.outcome(
                    Stage.CONTROL,
                    run := f"{place}/transfer/{seed}",
                    data,
                    partial(transferred, work, source, data, run, seed, Stage.CONTROL),
                )[0]
                for seed in work.seeds
            ]
        }
        if asked.control:
            curve[count]["control"] = _arm(
                work, f"{place}/control", data, partial(_scratch, work, source[0], options)
            )
    if done is None:
        work.journal.ended(Stage.CONTROL, {}, None, "The networks to compare with are trained.")
    return curve


def _arm(work: Work, arm: str, data: Data, make: Callable[[Data, Fit], Transferred]) -> list[Outcome]:
    def train(run: str, seed: int) -> Transferred:
        return make(data, work.trainings.fit(Stage.CONTROL, run, work.job.spec.training, seed=seed))

    runs = {seed: f"{arm}/{seed}" for seed in work.seeds}
    return [
        work.trainings.outcome(Stage.CONTROL, run, data, partial(train, run, seed))[0]
        for seed, run in runs.items()
    ]


def _scratch(work: Work, source: Network, options: dict[str, Any], data: Data, fit: Fit) -> Transferred:
    """The same network with fresh weights; options do not describe what an earlier job joined."""
    same = work.job.spec.method.kind in ("parameter", "structure") and not work.searches
    if same:
        options = {**options, **geometry(source.options)}
    if options["kind"] == "pretrained":
        # Without a source data set, what is transferred is the preset itself.
        drawn = isinstance(work.job.source, PresetFacts)
        options = {**options, **work.places, "weights": "random" if drawn else options["weights"]}
    elif same and not in_sequence(source.backbone):
        return with_pseudo_labels(work, structure(source, options, data, fit, strategy="reuse"), data, fit)
    return with_pseudo_labels(work, scratch.scratch(options, data, fit), data, fit)


def _control_options(work: Work) -> dict[str, Any]:
    """The network from scratch: the same, or after a search what as many trials on the target find."""
    spec = work.job.spec
    if not (work.searches and spec.evaluation.control):
        return work.options
    return search_structure(work, Stage.CONTROL, work.options, work.target, spec.training).options
