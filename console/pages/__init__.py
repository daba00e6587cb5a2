"""The dashboard: pages rendered here, with Jinja2, that work without script. `routes` is all that others need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.pages import (
    aside,
    assets,
    dead,
    deliveries,
    delivery,
    endpoint_form,
    endpoints,
    gate,
    login,
    overview,
    source_form,
    sources,
)
from console.pages.render import Renderer, environment
from console.pages.session import Attempts, Sessions
from console.pages.site import Site

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from console.deps import Deps


def routes(deps: Deps) -> list[BaseRoute]:
    """All routes of the dashboard; mount them last, since the last one answers every path with a page."""
    site = Site(
        deps=deps,
        renderer=Renderer(environment()),
        sessions=Sessions(box=deps.config.box, clock=deps.clock, admin_key=deps.admin_key),
        attempts=Attempts(deps.clock),
    )
    # Forms come before what they would be taken for: "new" is no id.
    pages = (login, overview, deliveries, delivery, dead, endpoint_form, endpoints, source_form, sources, aside)
    return [
        assets.mount(),
        *(route for page in pages for route in page.routes(site)),
        gate.page(site, "/{path:path}", gate.not_found),
    ]


__all__ = ["routes"]
