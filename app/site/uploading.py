"""`/ui/upload`: a file becomes a data set."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, StreamingResponse

from app.access import browser
from app.access.caller import Asking
from app.datasets.routes import receive_dataset
from app.datasets.schemas import DatasetForm
from app.datasets.upload import Upload
from app.errors import MEDIA_TYPE, Problem, ServiceError, problem_of
from app.site.asking import FilledRoute, field_errors
from app.site.asking import router as make_router
from app.site.rendering import page
from app.site.schema_forms import Field, fields

router = make_router(FilledRoute)

FIRST = ("name", "label", "kind", "task")
"""Fields that most uploads need, or none."""

_ALIKE = {"filename"}


@router.get("/ui/upload")
def show_upload(request: Request) -> Response:
    """The form, filled in with what the address says."""
    return _form(request, {name: value for name, value in request.query_params.items() if name in _names()})


@router.post("/ui/upload")
async def upload_dataset(request: Request, caller: Asking) -> Any:
    """As `POST /v1/datasets`; to a script the same answer, else the data set's page, or the form again."""
    form = _OwnForm(request)
    is_script = "text/event-stream" in request.headers.get("accept", "")
    try:
        view = await receive_dataset(request, Response(), caller, form.look)
    except (ServiceError, RequestValidationError) as error:
        problem = problem_of(request, error)
        if is_script:
            return Response(problem.model_dump_json(), problem.status, media_type=MEDIA_TYPE)
        return _form(request, form.given, problem)
    if isinstance(view, StreamingResponse):
        return view
    return RedirectResponse(f"/ui/datasets/{view.ref}", 303)


class _OwnForm:
    """Looks at the fields of a form before they are read: its token, and what was left empty."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._is_own = False
        self.given: dict[str, str] = {}

    def look(self, upload: Upload) -> None:
        """Leave what the API knows.

        Raises:
            ServiceError: 403; the form is of no page of this service.
        """
        tokens = upload.fields.pop(browser.TOKEN_FIELD, [])
        if not self._is_own:
            browser.require_own_form(self._request, tokens[0] if tokens else None)
            self._is_own = True
        for name, values in list(upload.fields.items()):
            kept = [value for value in values if value.strip()]
            if kept:
                upload.fields[name] = kept
                self.given[name] = kept[0]
            else:
                del upload.fields[name]


def _form(request: Request, given: dict[str, str], problem: Problem | None = None) -> Response:
    known = {one.name: one for one in _fields()}
    return page(
        request,
        "upload.html",
        200 if problem is None else problem.status,
        first=[known.pop(name) for name in FIRST],
        others=list(known.values()),
        given=given,
        errors={} if problem is None else field_errors(problem),
        problem=problem,
    )


def _fields() -> list[Field]:
    found = fields(DatasetForm.model_json_schema(), leave_out=_ALIKE)
    return [_as_text(one) for one in found]


def _as_text(field: Field) -> Field:
    """A choice of yes and no, as the text that a form sends."""
    if field.choices != ["yes", "no"]:
        return field
    return Field(**{**vars(field), "choices": ["true", "false"], "default": ""})


def _names() -> set[str]:
    return {one.name for one in _fields()}
