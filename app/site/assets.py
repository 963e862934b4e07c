"""`/ui/files/{name}`: the styles and scripts of the pages, which anybody may load."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from importlib.resources import files

from fastapi import Response

from app.errors import ServiceError
from app.site.asking import router as make_router

router = make_router()

HTMX = "django_htmx", "static/django_htmx"
"""The package that ships htmx; it is Django's, of which nothing else is used."""

_OWN = "app.site", "files"
_FILES = {
    "htmx.js": (HTMX, "htmx-2.min.js", "text/javascript"),
    "htmx-sse.js": (HTMX, "ext/hx-sse-2.min.js", "text/javascript"),
    "site.css": (_OWN, "site.css", "text/css"),
    "site.js": (_OWN, "site.js", "text/javascript"),
    "icon.svg": (_OWN, "icon.svg", "image/svg+xml"),
}


@router.get("/ui/files/{file}")
def get_file(file: str) -> Response:
    """A file by its name; asked for again only when the service is another version."""
    if file not in _FILES:
        message = f"Expected one of {', '.join(_FILES)}. Received: {file}."
        raise ServiceError(404, "file_not_found", message, hint="Load the page again.")
    content, media_type = _content(file)
    headers = {"Cache-Control": "no-cache", "ETag": f'"{version("model-transfer")}-{len(content)}"'}
    return Response(content, media_type=media_type, headers=headers)


@cache
def _content(name: str) -> tuple[bytes, str]:
    (package, folder), file, media_type = _FILES[name]
    return files(package).joinpath(folder, file).read_bytes(), media_type
