"""`/v1/methods` and `/v1/networks`."""

from __future__ import annotations

from fastapi import APIRouter

from app.access.requests import StrictRoute
from app.errors import responses
from app.methods import service
from app.methods.schemas import OptionsList, OptionsView

router = APIRouter(prefix="/v1", tags=["methods"], route_class=StrictRoute)


@router.get("/methods", summary="List the methods of transfer")
def list_methods() -> OptionsList:
    """Each with its options, their defaults, and when to use it."""
    return OptionsList(data=service.methods())


@router.get("/methods/{kind}", summary="Get a method of transfer", responses=responses(404))
def get_method(kind: str) -> OptionsView:
    """Its JSON schema, its defaults, and when to use it."""
    return service.find(service.methods(), kind)


@router.get("/networks", summary="List the kinds of network")
def list_networks() -> OptionsList:
    """Each with its options and their defaults."""
    return OptionsList(data=service.networks())


@router.get("/networks/{kind}", summary="Get a kind of network", responses=responses(404))
def get_network(kind: str) -> OptionsView:
    """Its JSON schema and its defaults."""
    return service.find(service.networks(), kind)
