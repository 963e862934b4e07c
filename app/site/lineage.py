"""How is drawn where a version comes from? Its data sets and the versions before it, from top to bottom."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.errors import ServiceError
from app.models import service as models
from app.models.schemas import VersionView

WIDTH = 560
_BOX_WIDTH, _BOX_HEIGHT, _GAP = 250, 46, 40
_LEFT, _RIGHT = 10, 300
_MOST_GENERATIONS = 8
_LONGEST = 28


@dataclass(frozen=True)
class Box:
    """A data set, preset or version; `href` is where it is read about, None of what has no page."""

    x: int
    y: int
    kind: str
    label: str
    full: str
    href: str | None
    is_here: bool = False


@dataclass(frozen=True)
class Drawing:
    """Boxes and the paths of the arrows between them."""

    height: int
    boxes: list[Box]
    arrows: list[str]
    said: str


def lineage(session: Session, workspace: str, version: VersionView) -> Drawing:
    """From the first source that is known to the version itself."""
    chain = _chain(session, workspace, version)
    boxes: list[Box] = []
    arrows: list[str] = []
    said: list[str] = []
    y = 4
    for place, one in enumerate(chain):
        kind, source = next(iter(one.lineage.source.items()))
        target = one.lineage.target["dataset"]
        method = f"{one.lineage.method.kind} transfer"
        if place == 0:  # of the others the version before is the source, which is drawn already
            boxes.append(_box(_LEFT, y, f"source {_words(kind)}", source, _page(kind, source)))
        boxes.append(_box(_RIGHT, y, "target data set", target, _page("dataset", target)))
        below = y + _BOX_HEIGHT + _GAP
        arrows += [_arrow(_LEFT, y, _LEFT, below), _arrow(_RIGHT, y, _LEFT, below)]
        page = _page("version", one.ref)
        boxes.append(_box(_LEFT, below, f"version, by {method}", one.ref, page, one is chain[-1]))
        said.append(f"{one.ref} by {method} from {source} to {target}")
        y = below
    return Drawing(y + _BOX_HEIGHT + 6, boxes, arrows, "; ".join(said))


def _chain(session: Session, workspace: str, version: VersionView) -> list[VersionView]:
    """The version and those it was transferred from, the oldest first."""
    chain = [version]
    while chain[0].parent is not None and len(chain) < _MOST_GENERATIONS:
        try:
            found = models.find_version(session, workspace, chain[0].parent)
        except ServiceError:
            break
        chain.insert(0, models.view(session, found))
    return chain


def _box(x: int, y: int, kind: str, label: str, href: str | None, is_here: bool = False) -> Box:
    cut = label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"
    return Box(x, y, kind, cut, label, None if is_here else href, is_here)


def _arrow(from_x: int, from_y: int, to_x: int, to_y: int) -> str:
    """From the lower edge of a box to the upper edge of another."""
    start, end = from_x + _BOX_WIDTH // 2, to_x + _BOX_WIDTH // 2 + (30 if from_x > to_x else 0)
    top, bottom = from_y + _BOX_HEIGHT, to_y - 2
    middle = (top + bottom) // 2
    return f"M{start} {top} C{start} {middle} {end} {middle} {end} {bottom}"


def _page(kind: str, reference: str) -> str | None:
    return {"dataset": f"/ui/datasets/{reference}", "version": f"/ui/models/{reference}"}.get(kind)


def _words(kind: str) -> str:
    return "data set" if kind == "dataset" else kind
