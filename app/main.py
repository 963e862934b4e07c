"""The API application: lifespan, routers, error handlers, documentation that needs no network."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline

from app import errors, logs
from app.broker import Broker
from app.datasets import routes as datasets
from app.datasets.validation import Turns
from app.db.revision import require_current
from app.db.session import make_engine, make_readers, make_sessions
from app.health import routes as health
from app.http_methods import HttpMethods
from app.jobs import routes as jobs
from app.methods import routes as methods
from app.models import routes as models
from app.object_storage import storage_of
from app.presets import routes as presets
from app.reports import routes as reports
from app.settings import Settings, get_settings
from app.storage import prepare

DESCRIPTION = """\
Transfer learning over HTTP: **upload** two data sets, **POST** a job, **poll** it, **download** a fine-tuned
model that takes raw rows, with the proof of whether the transfer helped.

```
curl -F file=@source.csv -F name=source -F label=y localhost:8000/v1/datasets
curl -F file=@target.csv -F name=target -F label=y localhost:8000/v1/datasets
curl -H 'Content-Type: application/json' localhost:8000/v1/jobs \\
  -d '{"model": "grades", "source": {"dataset": "source"}, "target": {"dataset": "target"}}'
curl 'localhost:8000/v1/jobs/job_…?wait=60'
curl -OJ 'localhost:8000/v1/models/grades@1/download?format=keras'
```

Wherever an id is asked for, a name or `name@version` will do. Every error is an RFC 9457 problem document
that says what was expected, what was received and what to do.
"""

TAGS = [
    {"name": "datasets", "description": "Validated, immutable, versioned tables of examples."},
    {"name": "jobs", "description": "Transfer jobs: start, watch, stop."},
    {
        "name": "models",
        "description": "What the jobs made: versions with lineage, receipt, metrics and files.",
    },
    {"name": "methods", "description": "What a job may ask for: methods of transfer, networks, presets."},
    {"name": "service", "description": "Health of the service itself."},
]


log = logging.getLogger(__name__)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    engine = make_engine(settings.effective_database_url)
    broker = Broker(settings.effective_broker_url)
    app.state.validations = Turns(settings.inspection_concurrency)
    try:
        require_current(engine)
        try:
            prepare(app.state.storage, engine)
        except OSError as error:  # it may come back: until then /readyz says so
            log.warning("the storage is away: %s", error)
        _hear_of_the_end(app)
        app.state.sessions = make_sessions(engine)
        app.state.readers = make_readers(engine)
        app.state.broker = broker
        yield
    finally:
        app.state.validations.close()
        broker.close()
        engine.dispose()


def _describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the one error shape instead of FastAPI's own."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        schemas = document["components"]["schemas"]
        schemas["Problem"] = errors.Problem.model_json_schema()
        for operation in (o for path in document["paths"].values() for o in path.values()):
            _replace_validation_error(operation["responses"])
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        app.openapi_schema = document
    return app.openapi_schema


def _replace_validation_error(answers: dict[str, Any]) -> None:
    if "HTTPValidationError" in str(answers.get("422", "")):
        del answers["422"]


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
        swagger_ui_parameters={"tryItOutEnabled": True, "displayRequestDuration": True},
        servers=[{"url": settings.public_url}] if settings.public_url else None,
    )
    app.state.settings = settings
    app.state.storage = storage_of(settings)
    app.state.stopping = threading.Event()
    errors.install(app)
    app.add_middleware(HttpMethods, service=app)
    for router in (
        datasets.router,
        jobs.router,
        reports.router,
        models.router,
        methods.router,
        presets.router,
        health.router,
    ):
        app.include_router(router)
    app.add_api_route("/", lambda: RedirectResponse("/docs"), include_in_schema=False)
    app.openapi = lambda: _describe(app)  # type: ignore[method-assign]
    return app
