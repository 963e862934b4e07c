"""The predictor over HTTP, for the API alone: `POST /predict` with a bundle's digest and rows."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.datasets.reading.errors import DatasetError
from app.datasets.reading.limits import Limits
from workers.predictor.answers import told
from workers.predictor.batching import Batches, Busy
from workers.predictor.comparing import comparison, read
from workers.predictor.loading import groups
from workers.predictor.versions import Versions
from workers.transfer.data import Array

log = logging.getLogger(__name__)


def application(versions: Versions, limits: Limits, most_waiting_rows: int) -> Starlette:
    """The ASGI application; its batches are answered to the end before it ends."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.batches = Batches(most_waiting_rows)
        yield
        await run_in_threadpool(app.state.batches.close)

    async def predict(request: Request) -> Response:
        asked = json.loads(await request.body())
        batches: Batches = request.app.state.batches
        try:
            # In a thread: to read rows takes time, and to load a version takes a second.
            waiting, output, places, contexts = await run_in_threadpool(
                _submit, versions, limits, batches, asked["bundle"], asked["instances"]
            )
            outputs = await asyncio.gather(*map(asyncio.wrap_future, waiting))
            in_order = np.concatenate(outputs)[np.argsort(np.concatenate(places))]
            return JSONResponse({"predictions": told(in_order, output, contexts)})
        except DatasetError as error:
            body = {"code": error.code, "message": error.message, "hint": error.hint, "errors": error.errors}
            return JSONResponse(body, status_code=422)
        except Busy as busy:
            return JSONResponse({"code": "busy", "message": str(busy)}, status_code=429)
        except FileNotFoundError:
            return JSONResponse({"code": "gone", "message": asked["bundle"]}, status_code=404)
        except Exception:
            log.exception("rows could not be predicted by %s", asked["bundle"])
            return JSONResponse({"code": "failed", "message": "see the predictor's log"}, status_code=500)

    async def compare(request: Request) -> Response:
        asked = json.loads(await request.body())
        try:
            return JSONResponse(await run_in_threadpool(_compared, versions, asked))
        except FileNotFoundError:
            return JSONResponse({"code": "gone", "message": asked["a"]}, status_code=404)
        except Exception:
            log.exception("%s and %s could not be compared", asked["a"], asked["b"])
            return JSONResponse({"code": "failed", "message": "see the predictor's log"}, status_code=500)

    async def health(_: Request) -> Response:
        return JSONResponse({"loaded": len(versions.digests)})

    routes = [
        Route("/predict", predict, methods=["POST"]),
        Route("/compare", compare, methods=["POST"]),
        Route("/healthz", health),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def _compared(versions: Versions, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What two files of predictions say of the rows that both tested."""
    task, classes = asked["task"], asked["classes"]
    a, b = (read(versions.path_of(asked[one]), task, classes) for one in ("a", "b"))
    return comparison(a, b, task, classes, asked["metric"], same_rows=asked["same_rows"])


def _submit(
    versions: Versions, limits: Limits, batches: Batches, digest: str, instances: Sequence[Mapping[str, Any]]
) -> tuple[list[Future[Array]], Mapping[str, Any], list[list[int]], list[str]]:
    """What will bring the outputs, what they mean, which rows each is of, and the contexts of questions."""
    version = versions.get(digest)
    read = version.read(instances, limits)
    parts = list(groups(read))
    waiting = [batches.submit(version, inputs) for _, inputs in parts]
    key = next((one["key"] for one in version.about["inputs"] if one["name"] == "context"), None)
    contexts = read[key].tolist() if version.is_of_questions and isinstance(read, dict) and key else []
    return waiting, version.about["output"], [places for places, _ in parts], contexts
