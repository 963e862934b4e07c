"""How good is a ranking of sources, before any is trained? Against what probes reach on test rows.

Every candidate's truth is the test metric of a linear head on its frozen features, fitted on all train rows:
accuracy, or R² of a number. Each case is one target with 50 or 200 train rows; one candidate of each group is
trained on shuffled labels, one is never trained.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import ledger
from benchmarks.null import commit
from benchmarks.ranking_summary import summary as summary  # what `__main__` prints

ROWS = (200, 50)
FEW_SHOT_SEED = 0


def cases() -> list[tuple[str, str, int]]:
    """Group, target and train rows of each case."""
    from benchmarks.ranking_tasks import TASKS

    return [(group, name, rows) for rows in ROWS for group, names in TASKS.items() for name in names]


def measure(data: Path, out: Path, shard: str, most: int | None) -> Iterator[str]:
    """Run what is not in the file yet, and write a line of each case to it.

    A shard has all cases of some groups, so that each source is trained in one process.
    """
    from benchmarks.ranking_tasks import TASKS

    groups = list(TASKS)
    asked = {groups[place] for place in ledger.of_shard(range(len(groups)), shard)}
    done = {one["number"] for one in ledger.read([out])}
    left = [place for place, case in enumerate(cases()) if case[0] in asked and place not in done]
    of = commit()
    for measured in ledger.measure(left[:most], functools.partial(run, data)):
        ledger.append(out, {**measured, "commit": of})
        best = measured["best"]
        yield (
            f"{measured['number']}: {measured['target']}, {measured['rows']} rows, "
            f"{len(measured['candidates'])} candidates: {best}, {measured['answer']}, "
            f"{measured['cpu_seconds']:.0f} s"
        )


def run(data: Path, number: int) -> dict[str, Any]:
    """One case, in a process that has TensorFlow."""
    from benchmarks.ranking_sources import candidates_of, fine_tune_seconds
    from benchmarks.ranking_tasks import as_target, examples
    from workers.transfer.choosing.candidates import candidate_of
    from workers.transfer.choosing.measuring import measure, measure_baselines, measure_none
    from workers.transfer.choosing.ranking import rank
    from workers.transfer.choosing.target import Target

    _prepare()
    begun = time.process_time()
    group, name, rows = cases()[number]
    target = as_target(examples(group, name, data), rows)
    judged_by = Target.of(target)
    measured, told = [], {}
    for source in candidates_of(group, name, data, target):
        candidate = candidate_of(source.name, source.network, judged_by, None, source.head)
        quick = measure(candidate, judged_by, others=False)
        one = measure(candidate, judged_by)
        measured.append(one)
        told[source.name] = {
            "score": one.score,
            "cross_validated_accuracy": one.judged.mean(),
            "scores": one.scores,
            "cpu_seconds": quick.cpu_seconds,
            "truth": _truth(source.network, target),
            "source_rows": source.rows,
            "source_accuracy": source.accuracy,
            "parameters": source.parameters,
            "is_preset": source.is_preset,
        }
    baselines = measure_baselines(judged_by)
    made = rank(judged_by, measured, baselines, measure_none(judged_by))
    row = next(row for row in made.ranked if row.name == made.best)
    return {
        "number": number,
        "group": group,
        "target": name,
        "rows": rows,
        "candidates": told,
        "best": made.best,
        "answer": made.answer,
        "gain": None if row.gain is None else [row.gain.value, row.gain.standard_error],
        "optimism": made.optimism and made.optimism.to_dict(),
        "baseline": made.baseline,
        "baseline_truth": _baseline_truth(target, judged_by),
        "baselines_cpu_seconds": sum(one.cpu_seconds for one in baselines),
        "fine_tune_cpu_seconds": fine_tune_seconds(group, name, data, target) if rows == max(ROWS) else None,
        "cpu_seconds": time.process_time() - begun,
    }


@functools.cache
def _prepare() -> None:
    """TensorFlow's threads, once a process."""
    from workers.transfer.training.runtime import prepare_process

    prepare_process(1)


def _metric(target: Any, p: Any) -> float:
    from workers.transfer import tasks

    task = target.signature.task
    value = tasks.metrics(task, target.test.targets, p)["r2" if task == "regression" else "accuracy"]
    assert value is not None
    return float(value)


def _truth(network: Any, target: Any) -> float:
    """Of a head that is fitted as a probe's is, on the test rows."""
    import numpy as np
    from scipy.special import expit, softmax

    from workers.transfer.tasks import LabelUnit
    from workers.transfer.training.features import outputs
    from workers.transfer.training.strengths import Content, fit_linear

    task, y = target.signature.task, target.train.targets
    unit = LabelUnit.of(y) if task == "regression" else None
    y = y if unit is None else unit.standardised(y).astype(np.float64)
    x, x_test = (
        np.asarray(outputs(network, ["preprocessing", "backbone"], part.inputs)).reshape(len(part), -1)
        for part in (target.train, target.test)
    )
    weights = np.ones(len(x))
    made = fit_linear(x, y, task, len(target.signature.classes), weights, Content.of(x, y, weights))
    answers = x_test @ made.fitted.kernel + made.fitted.bias
    if unit is not None:
        return _metric(target, unit.labels(answers))
    return _metric(target, expit(answers) if task == "binary" else softmax(answers, axis=1))


def _baseline_truth(target: Any, judged_by: Any) -> float:
    """Of the baseline that out-of-fold rows choose, fitted on all train rows, on the test rows."""
    from workers.transfer.baselines.choosing import choose, readings_of
    from workers.transfer.training.options import Training

    training = Training(epochs=1, batch_size=32, learning_rate=1e-3, seed=0)
    readings: Sequence[Any] = readings_of(judged_by.data)
    made = choose(readings, judged_by.data, training, folds=judged_by.fold)
    return _metric(target, made.answers(target.test.inputs))
