"""Which pages are there?"""

from __future__ import annotations

from app.site import (
    assets,
    comparing,
    datasets,
    home,
    jobs,
    live,
    models,
    planning,
    predicting,
    ranking,
    signing_in,
    starting,
    uploading,
)

ROUTERS = [
    module.router
    for module in (
        home,
        signing_in,
        assets,
        jobs,
        live,
        datasets,
        uploading,
        predicting,
        models,
        comparing,
        planning,
        ranking,
        starting,
    )
]
