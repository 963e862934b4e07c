"""Which pages are there?"""

from __future__ import annotations

from app.site import assets, datasets, home, jobs, live, signing_in, uploading

ROUTERS = [module.router for module in (home, signing_in, assets, jobs, live, datasets, uploading)]
