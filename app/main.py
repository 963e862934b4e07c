"""The API application: lifespan, what stands before the routes, routers, pages that need no network."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware

from app import errors, logs
from app.access import routes as access
from app.access.guard import KeyGuard
from app.access.headers import SecurityHeaders
from app.access.keyring import KeyRing
from app.access.origins import OriginGuard
from app.access.rates import RequestRates
from app.access.slow_bodies import SlowBodies
from app.broker import Broker
from app.datasets import routes as datasets
from app.datasets.validation_queues import ValidationQueues
from app.db.revision import require_current
from app.db.session import make_engine, make_read_sessions, make_sessions
from app.health import routes as health
from app.http_methods import HttpMethods
from app.jobs import routes as jobs
from app.jobs.events import telling
from app.jobs.following import Following
from app.jobs.status import Statuses
from app.methods import routes as methods
from app.models import routes as models
from app.object_storage import storage_of
from app.openapi import DESCRIPTION, TAGS, describe, for_docs
from app.predictions import batch_routes as batches
from app.predictions import open_inference
from app.predictions import routes as predictions
from app.predictions import service as predicting
from app.predictions.predictor import Predictor
from app.predictions.told import Predicted
from app.presets import routes as presets
from app.rankings import routes as rankings
from app.reports import routes as reports
from app.settings import Settings, get_settings
from app.site.asking import problem_page
from app.site.routers import ROUTERS as PAGE_ROUTERS
from app.storage import prepare
from app.turns import Turns
from app.vectors import routes as vectors

PAGES = frozenset({"/docs", "/redoc"})

EXPOSED = [
    "Location",
    "ETag",
    "Repr-Digest",
    "Content-Disposition",
    "Content-Range",
    "Retry-After",
    "RateLimit",
    "WWW-Authenticate",
]
"""Headers of answers that scripts of other origins may read, where these are allowed at all."""

log = logging.getLogger(__name__)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    engine = make_engine(settings.effective_database_url)
    broker = Broker(settings.effective_broker_url)
    app.state.validations = ValidationQueues(settings.inspection_concurrency)
    try:
        require_current(engine)
        try:
            prepare(app.state.storage, engine)
        except OSError as error:  # it may come back: until then /readyz says so
            log.warning("the storage is not available: %s", error)
        _hear_of_the_end(app)
        app.state.sessions = telling(make_sessions(engine), broker.tell)
        app.state.readers = make_read_sessions(engine)
        app.state.statuses = Statuses(engine)
        app.state.keyring = KeyRing(app.state.readers)
        app.state.broker = broker
        app.state.predictor = Predictor(settings.effective_predictor_url, settings.predictor_seconds)
        app.state.predicting = Turns(predicting.AT_ONCE, predicting.OF_ONE, predicting.WAITING_OF_ONE)
        app.state.predicted = Predicted(app.state.sessions)
        app.state.following = Following(app.state.readers, broker, app.state.stopping.is_set)
        try:
            yield
        finally:
            app.state.following.close()
            app.state.predictor.close()
            await run_in_threadpool(app.state.predicted.close)
    finally:
        app.state.validations.close()
        broker.close()
        engine.dispose()


def _hear_of_the_end(app: FastAPI) -> None:
    """Let requests that wait for something answer what they know, before the server cuts them off."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def stop(received: int, frame: Any, before: Any = before) -> None:
            app.state.stopping.set()
            if callable(before):
                before(received, frame)

        signal.signal(number, stop)


def _guard(app: FastAPI, settings: Settings) -> None:
    """What stands before the routes; the one that is added last is asked first, the headers before all."""
    app.add_middleware(HttpMethods, service=app)
    app.add_middleware(SlowBodies, seconds=settings.slow_body_seconds, rate=settings.min_body_rate)
    if settings.request_rate:
        app.add_middleware(RequestRates, settings=settings)
    app.add_middleware(KeyGuard, service=app)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=EXPOSED,
        )
    app.add_middleware(OriginGuard, settings=settings)
    build = app.build_middleware_stack
    # Around all of it: what is added as a middleware stands inside of what answers an unforeseen error.
    app.build_middleware_stack = lambda: SecurityHeaders(build(), PAGES)  # type: ignore[method-assign]


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application on these settings; by default those of the environment."""
    settings = settings or get_settings()
    logs.configure(settings)
    app = FastAPIOffline(
        title="model-transfer",
        version=version("model-transfer"),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=_lifespan,
        swagger_ui_parameters={
            # In place of /openapi.json, relative to the page.
            "url": "docs/openapi.json",
            "tryItOutEnabled": True,
            "displayRequestDuration": True,
        },
        # Relative to where the document is read, unless users reach the API by an address of its own.
        servers=[{"url": settings.public_url or "/"}],
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.settings = settings
    app.state.storage = storage_of(settings)
    app.state.problem_page = problem_page
    app.state.stopping = threading.Event()
    _guard(app, settings)
    errors.install(app)
    for router in (
        datasets.router,
        jobs.router,
        rankings.router,
        reports.router,
        predictions.router,
        batches.router,
        vectors.router,
        vectors.of_datasets,
        open_inference.router,
        models.router,
        methods.router,
        presets.router,
        access.router,
        health.router,
        *PAGE_ROUTERS,
    ):
        app.include_router(router)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    app.get("/docs/openapi.json", include_in_schema=False)(lambda: JSONResponse(for_docs(app.openapi())))
    return app
