"""Jobs: accepted only if they can be run, found by id or name, stopped and continued on request."""

from __future__ import annotations

from pydantic import TypeAdapter
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.datasets import service as datasets
from app.datasets.schema import Profile
from app.db.clock import db_now
from app.db.locks import lock_name
from app.db.tables import Dataset, EpochMetrics, Event, Job, JobStage, StagePart, Version
from app.errors import ServiceError, did_you_mean
from app.jobs import compatibility, transitions
from app.jobs.events import record
from app.jobs.networks import USUAL_NETWORK, Network, Pretrained
from app.jobs.recipes import Training
from app.jobs.requirements import Examples
from app.jobs.schemas import EpochView, EventView, JobRequest, JobSpec, JobView
from app.jobs.states import MEANING, RETRIABLE, SO_FAR, TERMINAL, TRAINED, Stage, State
from app.models import service as models
from app.models.signature import Backbone, of_preset, signature
from app.pages import page
from app.presets import service as presets
from app.references import is_id, new_id
from app.settings import Settings
from app.storage import Storage


def create(session: Session, request: JobRequest, settings: Settings) -> Job:
    """A queued job with every default and reference filled in; the caller announces it after the commit."""
    queue, preset_dir = _queue(request, settings.queue_names), settings.effective_preset_dir
    target = _dataset(session, request.target.dataset)
    source, versions = _source(session, request)
    trained_on = _examples(source) if source else None
    network, source_network = _networks(request, versions, trained_on or _examples(target))
    learnt = [models.signature(version) for version in versions]
    if request.source.preset is not None:
        learnt = [of_preset(_examples(target).description)]
    elif trained_on is not None:
        learnt = [signature(trained_on.description)]
    spec = _spec(request, network, source_network, trained_on, versions)
    backbone = models.backbone(versions[0]) if versions else _backbone(source_network)
    compatibility.check(spec, learnt, backbone, trained_on, _examples(target))
    for used in (network, source_network):
        if isinstance(used, Pretrained):
            presets.require(preset_dir, used.preset, _examples(target).description.kind, used.length)

    job_id = new_id("job")
    job = Job(
        id=job_id,
        name=request.name or f"{request.model[:90]}-{job_id[-8:]}",
        model=request.model,
        spec=spec.model_dump(mode="json"),
        extra=request.metadata,
        source_dataset=source,
        source_version=versions[0] if versions else None,
        source_preset=request.source.preset,
        target_dataset=target,
        max_attempts=settings.max_attempts,
        queue=queue,
        owner=request.owner or "",
        priority=request.priority,
        announced_at=db_now(),
        stages=[JobStage(stage=stage, position=position) for position, stage in enumerate(_stages(request))],
    )
    _name_is_free(session, job.name)
    session.add(job)
    session.flush()
    record(session, job.id, 0, "job.created", f"Accepted; {MEANING[State.QUEUED]}.")
    session.refresh(job)
    return job


def _queue(request: JobRequest, known: list[str]) -> str:
    if request.queue is None:
        return known[0]
    if request.queue not in known:
        message = f"queue: expected one of {', '.join(known)}. Received: {request.queue}."
        hint = (
            did_you_mean(request.queue, known) or "Leave it out; MODEL_TRANSFER_QUEUES says which there are."
        )
        raise ServiceError(422, "queue_unknown", message, hint=hint)
    return request.queue


def not_announced(session: Session, job_id: str) -> None:
    """The broker could not be told: let the next sweep do it at once."""
    session.execute(update(Job).where(Job.id == job_id).values(announced_at=None))


def _dataset(session: Session, reference: str) -> Dataset:
    found = datasets.find(session, reference)
    lock_name(session, "dataset", found.id)  # against a deletion that has not seen this job yet
    session.refresh(found)
    return found if found.deleted_at is None else datasets.find(session, reference)


def _examples(dataset: Dataset) -> Examples:
    return Examples(datasets.description(dataset), Profile.model_validate(dataset.profile))


def _source(session: Session, request: JobRequest) -> tuple[Dataset | None, list[Version]]:
    if request.source.dataset is not None:
        return _dataset(session, request.source.dataset), []
    if request.source.preset is not None:
        if request.method.kind == "distillation":
            message = "Expected a teacher that knows the classes. Received: a preset, which has no head."
            hint = "Fine-tune it first, by parameter transfer, and give the version that comes out."
            raise ServiceError(422, "preset_is_no_teacher", message, hint=hint)
        return None, []
    asked = request.source.versions or [request.source.version or ""]
    if len(asked) > 1 and request.method.kind != "distillation":
        message = f"Expected one source version for {request.method.kind} transfer. Received: {len(asked)}."
        hint = "Only a distillation learns from several; give the best of them as `version`."
        raise ServiceError(422, "several_sources", message, hint=hint)
    return None, [models.find_source(session, reference) for reference in asked]


def _networks(request: JobRequest, versions: list[Version], first: Examples) -> tuple[Network, Network]:
    """The target's and the source's: the same, unless the method joins or distils."""
    may_differ = request.method.kind in ("combined", "distillation")
    usual = _NETWORK.validate_python({"kind": USUAL_NETWORK[first.description.kind]})
    if request.source.preset is not None:
        asked = request.network if isinstance(request.network, Pretrained) else None
        preset = asked or Pretrained(preset=request.source.preset)
        if preset.preset != request.source.preset or (
            request.network not in (None, preset) and not may_differ
        ):
            received = request.network or preset
            raise _network_differs(
                request, "the source's preset", Pretrained(preset=request.source.preset), received
            )
        return request.network or (usual if may_differ else preset), preset
    if not versions:
        network = request.network or usual
        source = request.source.network or network
        if source != network and not may_differ:
            raise _network_differs(request, "the job's `network`", network, source)
        return network, source
    source = _NETWORK.validate_python(versions[0].network)
    network = request.network or source
    if network != source and not may_differ:
        raise _network_differs(request, models.ref(versions[0]), source, network)
    return network, source


def _backbone(network: Network) -> Backbone:
    return Backbone(layers=network.count_layers, blocks=network.count_blocks, in_sequence=network.in_sequence)


_NETWORK: TypeAdapter[Network] = TypeAdapter(Network)


def _network_differs(request: JobRequest, of: str, expected: Network, received: Network) -> ServiceError:
    message = (
        f"Expected the network of {of}, {expected.model_dump_json()}, since {request.method.kind} transfer "
        f"keeps it. Received: {received.model_dump_json()}."
    )
    hint = "Leave one of them out; combined transfer and distillation join or distil different networks."
    return ServiceError(422, "network_differs", message, hint=hint)


def _spec(
    request: JobRequest,
    network: Network,
    source_network: Network,
    source: Examples | None,
    versions: list[Version],
) -> JobSpec:
    return JobSpec(
        method=request.method,
        network=network,
        source_network=source_network,
        training=request.training,
        source_training=None if source is None else _source_training(request, source),
        other_versions=[version.id for version in versions[1:]],
        pseudo_labels=request.target.pseudo_labels,
        evaluation=request.evaluation,
        champion=request.champion,
    )


def _source_training(request: JobRequest, source: Examples) -> Training:
    """By default the target's, less what the source's classes and rows do not allow."""
    if request.source.training is not None:
        return request.source.training
    training = request.training
    weights, classes = training.class_weights, set(source.description.classes)
    weighed = source.description.task in ("binary", "multiclass")
    if not weighed or (isinstance(weights, dict) and not set(weights) <= classes):
        training = training.model_copy(update={"class_weights": None})
    if not source.description.split.rows["validation"]:
        training = training.model_copy(update={"patience": None})
    return training


def _stages(request: JobRequest) -> list[Stage]:
    asked = request.evaluation
    left_out = set() if asked.control or asked.arms or asked.few_shot else {Stage.CONTROL}
    return [stage for stage in Stage if stage not in left_out]


def _name_is_free(session: Session, name: str) -> None:
    lock_name(session, "jobs", name)
    if session.scalars(select(Job.id).where(Job.name == name)).first() is not None:
        message = f"Expected a job name that is not taken. Received: {name}."
        raise ServiceError(409, "job_name_taken", message, hint="Leave `name` out to get one made.")


def find(session: Session, reference: str) -> Job:
    """By id or name."""
    found = session.scalars(
        select(Job).where(Job.id == reference if is_id(reference) else Job.name == reference)
    ).first()
    if found is None:
        known = session.scalars(select(Job.name).order_by(Job.id.desc()).limit(1000)).all()
        hint = did_you_mean(reference, known) or "GET /v1/jobs lists what is there."
        message = f"Expected the id or the name of a job. Received: {reference}."
        raise ServiceError(404, "job_not_found", message, hint=hint)
    return found


def list_page(
    session: Session, state: State | None, model: str | None, after: str | None, limit: int
) -> tuple[list[Job], bool]:
    """Newest first."""
    statement = select(Job).order_by(Job.id.desc())
    if state is not None:
        statement = statement.where(Job.state == state)
    if model is not None:
        statement = statement.where(Job.model == model)
    if after is not None:
        statement = statement.where(Job.id < after)
    return page(session, statement, limit)


def cancel(session: Session, reference: str) -> Job:
    """Cancelling what is cancelled is no error; what ended otherwise cannot be cancelled."""
    job = find(session, reference)
    if not transitions.request_cancel(session, job.id):
        session.refresh(job)
        if job.state != State.CANCELLED:
            raise impossible("cancelled", job)
    session.refresh(job)
    return job


def pause(session: Session, reference: str) -> Job:
    """Pausing what is paused is no error."""
    job = find(session, reference)
    if not transitions.request_pause(session, job.id):
        session.refresh(job)
        if job.state != State.PAUSED:
            raise impossible("paused", job)
    session.refresh(job)
    return job


def resume(session: Session, reference: str) -> Job:
    """Resuming what is queued or runs is no error, unless it is about to pause."""
    job = find(session, reference)
    if not transitions.resume(session, job.id):
        session.refresh(job)
        if job.state not in (State.QUEUED, State.RUNNING) or job.stop_request is not None:
            raise impossible("resumed", job)
    session.refresh(job)
    return job


def retry(session: Session, storage: Storage, reference: str, attempts: int) -> Job:
    """What failed or was cancelled goes on from its last finished stage; one that is open is none to retry.

    Stages whose files are gone are waiting again, and so are those after them.
    """
    job = find(session, reference)
    if not transitions.revive(session, job.id, attempts):
        session.refresh(job)
        raise impossible("retried", job)
    lost = False
    for stage in job.stages:
        lost = lost or (stage.output_digest is not None and not storage.exists(stage.output_digest))
        if lost and stage.state == "finished":
            stage.state, stage.finished_at, stage.output_digest = "waiting", None, None
    session.flush()
    session.refresh(job)
    return job


def model_so_far(session: Session, job: Job) -> str:
    """Digest of the target's network as good as it has become, before there is a version of it."""
    kept = {
        part.key: part.digest
        for part in session.scalars(
            select(StagePart).where(StagePart.job_id == job.id, StagePart.stage == Stage.TRANSFER)
        )
    }
    digest = kept.get(TRAINED) or kept.get(SO_FAR)
    if digest is None:
        message = (
            f"Expected a job whose target network was saved. Received: {job.name}, which is {job.state}."
        )
        hint = "It is saved now and then from the stage `transfer` on, and kept a while after a failure."
        raise ServiceError(409, "no_model_yet", message, hint=hint)
    return digest


def impossible(wish: str, job: Job) -> ServiceError:
    """The 409 of a job whose state does not allow what is wished."""
    state = State(job.state)
    asked = f", and is asked to {job.stop_request}" if job.stop_request else ""
    is_ = f"which is {state} ({MEANING[state]}){asked}"
    message = f"Expected a job that can be {wish}. Received: {job.name}, {is_}."
    hint = "Try again in a moment."
    if state in RETRIABLE:
        hint = "POST …:retry goes on with it from its last finished stage."
    elif state in TERMINAL:
        hint = "A job that succeeded stays as it is: post a new one."
    elif wish == "retried":
        hint = "It has not ended: nothing needs to be done."
    return ServiceError(409, "job_state", message, hint=hint)


def events_page(session: Session, job_id: str, after: int, limit: int) -> tuple[list[EventView], bool]:
    """Oldest first, from the event after `after`."""
    statement = select(Event).where(Event.job_id == job_id, Event.id > after).order_by(Event.id)
    events, has_more = page(session, statement, limit)
    return [EventView.model_validate(event, from_attributes=True) for event in events], has_more


def epochs(session: Session, job_id: str) -> list[EpochView]:
    """By stage, in the order of the stages, then by training and epoch."""
    found = session.scalars(
        select(EpochMetrics)
        .where(EpochMetrics.job_id == job_id)
        .order_by(EpochMetrics.run, EpochMetrics.epoch)
    )
    views = [EpochView.model_validate(row, from_attributes=True) for row in found]
    order = list(Stage)
    return sorted(views, key=lambda view: order.index(view.stage))


def view(job: Job) -> JobView:
    """The job as the API shows it."""
    source: dict[str, str] = {}
    if job.source_dataset is not None:
        source = {"dataset": datasets.ref(job.source_dataset), "id": job.source_dataset.id}
    elif job.source_version is not None:
        source = {"version": models.ref(job.source_version), "id": job.source_version.id}
    elif job.source_preset is not None:
        source = {"preset": job.source_preset}
    error = None
    if job.error_code is not None:
        error = {"code": job.error_code, "message": job.error_message, "hint": job.error_hint}
    return JobView.model_validate(
        {
            "id": job.id,
            "name": job.name,
            "model": job.model,
            "state": job.state,
            "terminal": job.state in TERMINAL,
            "attempt": job.attempt,
            "max_attempts": job.max_attempts,
            "stop_request": job.stop_request,
            "queue": job.queue,
            "owner": job.owner or None,
            "priority": job.priority,
            "retry_at": job.retry_at,
            "source": source,
            "target": {"dataset": datasets.ref(job.target_dataset), "id": job.target_dataset.id},
            "method": job.spec["method"],
            "network": job.spec["network"],
            "training": job.spec["training"],
            "evaluation": job.spec["evaluation"],
            "metadata": job.extra,
            "progress": job.progress,
            "stages": [
                {
                    "stage": stage.stage,
                    "state": stage.state,
                    "reused": stage.reused,
                    "started_at": stage.started_at,
                    "finished_at": stage.finished_at,
                }
                for stage in job.stages
            ],
            "error": error,
            "result": job.result,
            "created_at": job.created_at,
            "started_at": job.started_at,
            "finished_at": job.finished_at,
        }
    )
