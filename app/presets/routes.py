"""`/v1/presets`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from app.access.requests import StrictRoute
from app.errors import responses
from app.presets.schemas import PresetList, PresetView
from app.presets.service import PresetCatalogue

router = APIRouter(prefix="/v1/presets", tags=["methods"], route_class=StrictRoute)


@router.get("", summary="List pretrained backbones")
def list_presets(request: Request) -> PresetList:
    """With size, licence and origin, whether they are available, and how to get those that are not."""
    return PresetList(
        data=list(PresetCatalogue(request.app.state.settings.effective_preset_dir).views.values())
    )


@router.get("/{name:path}", summary="Get a pretrained backbone", responses=responses(404))
def get_preset(
    name: Annotated[str, Path(openapi_examples={"text": {"value": "minilm_l6_v2"}})], request: Request
) -> PresetView:
    """What it reads, what it returns, and where it is."""
    return PresetCatalogue(request.app.state.settings.effective_preset_dir).find(name)
