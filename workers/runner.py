"""The one seam between the service and the learning: inputs from `app`, transfer, outputs to `app`.

A job is a row of stages. Each writes its output to storage before the next begins, and is not run again;
within a stage, each training is durable by itself.
"""

from __future__ import annotations

from workers.job_context import JobContext
from workers.stages.control import control
from workers.stages.evaluate import evaluate
from workers.stages.export import Outcome, export
from workers.stages.source import source
from workers.stages.transfer import transfer


def run(context: JobContext) -> Outcome:
    """Run what earlier attempts have not finished.

    Raises:
        Stopped, LeaseLost: stop was asked for, or the job is another's.
        TrainingDiverged: the options do not fit the data.
    """
    sources = source(context)
    made, arms = transfer(context, sources)
    compared = control(context, sources, arms)
    evaluated = evaluate(context, arms, compared)
    context.cache.keep(context.trainings.traced)
    return export(context, made, arms, evaluated, compared)
