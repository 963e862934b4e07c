"""The predictor over HTTP, for the API alone: `POST /predict` with a bundle's digest and rows.

Each request says in `X-Workspace` for whom it is. To read rows, to load a version and to call a network are
each done for the workspaces in turn, so that what one asks for delays another's by one step of each.
"""

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
from app.turns import Turns
from workers.predictor.answers import told
from workers.predictor.batching import Batches, Busy
from workers.predictor.comparing import comparison, read
from workers.predictor.loading import groups
from workers.predictor.versions import Versions
from workers.transfer.data import Array

log = logging.getLogger(__name__)

READ_AT_ONCE, READ_OF_ONE = 8, 4
"""Requests whose rows are read at once, and of one workspace."""


def application(versions: Versions, limits: Limits, most_waiting_rows: int) -> Starlette:
    """The ASGI application; its batches are answered to the end before it ends."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.batches = Batches(most_waiting_rows)
        app.state.loading = Turns(1)
        app.state.reading = Turns(READ_AT_ONCE, READ_OF_ONE)
        yield
        await run_in_threadpool(app.state.batches.close)

    async def predict(request: Request) -> Response:
        state, workspace, bundle = request.app.state, _workspace(request), request.query_params["bundle"]
        sent = await request.body()
        try:
            if bundle not in versions.digests:
                await state.loading.run(workspace, versions.get, bundle)
            waiting, output, places, contexts = await state.reading.run(
                workspace, _submit, versions, limits, state.batches, workspace, bundle, sent
            )
            outputs = await asyncio.gather(*map(asyncio.wrap_future, waiting))
            return await run_in_threadpool(_answer, outputs, places, output, contexts)
        except DatasetError as error:
            body = {"code": error.code, "message": error.message, "hint": error.hint, "errors": error.errors}
            return JSONResponse(body, status_code=422)
        except Busy as busy:
            return JSONResponse({"code": "busy", "message": str(busy)}, status_code=429)
        except FileNotFoundError:
            return JSONResponse({"code": "gone", "message": bundle}, status_code=404)
        except Exception:
            log.exception("rows could not be predicted by %s", bundle)
            return JSONResponse({"code": "failed", "message": "see the predictor's log"}, status_code=500)

    async def compare(request: Request) -> Response:
        asked = json.loads(await request.body())
        try:
            reading: Turns = request.app.state.reading
            return JSONResponse(await reading.run(_workspace(request), _compared, versions, asked))
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


def _workspace(request: Request) -> str:
    return request.headers.get("x-workspace", "")


def _submit(
    versions: Versions, limits: Limits, batches: Batches, workspace: str, bundle: str, sent: bytes
) -> tuple[list[Future[Array]], Mapping[str, Any], list[list[int]], list[str]]:
    """What will bring the outputs, what they mean, which rows they are of in this order, and the contexts."""
    version = versions.get(bundle)
    read = version.read(json.loads(sent)["instances"], limits)
    parts = list(groups(read))
    waiting = [one for _, inputs in parts for one in batches.submit(workspace, version, inputs)]
    return waiting, version.about["output"], [places for places, _ in parts], version.contexts(read)


def _answer(
    outputs: Sequence[Array],
    places: Sequence[list[int]],
    output: Mapping[str, Any],
    contexts: Sequence[str],
) -> Response:
    in_order = np.concatenate(outputs)[np.argsort(np.concatenate(places))]
    return JSONResponse({"predictions": told(in_order, output, contexts)})
