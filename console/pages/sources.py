"""Sources: where webhooks come from, the URL to paste at the provider, and what was refused lately."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from console import actions
from console.actions.sources import found_source
from console.forms import SourcePatch
from console.pages import gate
from console.pages.format import count, plural
from console.pages.site import blocking
from console.queries import AsideFilter
from console.views import source_view
from schemas.providers import PROVIDERS

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from console.pages.site import Site, Visit

LATELY: Final = 5
_DAY_MS: Final = 24 * 3600 * 1000


def routes(site: Site) -> list[BaseRoute]:
    """`/sources` and `/sources/{id}`."""
    return [
        gate.page(site, "/sources", _list),
        gate.page(site, "/sources/{id}", _one),
        gate.post(site, "/sources/{id}/disable", _disable),
        gate.post(site, "/sources/{id}/enable", _enable),
        gate.page(site, "/sources/{id}/delete", _ask_delete),
        gate.post(site, "/sources/{id}/delete", _delete),
    ]


async def _list(visit: Visit) -> Response:
    rows = sorted((source_view(s) for s in visit.deps.sources.items.values()), key=lambda s: s.id)
    hour = await blocking(visit.deps.stats.stats, visit.now - 3_600_000, visit.now, 60)
    received, rejected = sum(b.received for b in hour), sum(b.rejected for b in hour)
    off = sum(not s.enabled for s in rows)
    said = f"{plural(received, 'webhook')} accepted in the last hour, {count(rejected)} rejected"
    if rows:
        said = f"{plural(len(rows), 'source')}{f', {off} of them disabled' if off else ''}; {said}"
    return visit.page("sources.html", title="Sources", here="/sources", answer=f"{said}.", rows=rows)


async def _one(visit: Visit) -> Response:
    source = source_view(found_source(visit.deps, visit.path["id"]))
    wanted = AsideFilter(source=source.id, received_from=visit.now - _DAY_MS)
    rejected = await blocking(visit.deps.queries.rejected, wanted, limit=LATELY)
    more = "more than " if rejected.next_cursor else ""
    refused = (
        f"{more}{plural(len(rejected.data), 'request')} rejected in the last 24 h"
        if rejected.data
        else "nothing was rejected in the last 24 h"
    )
    state = "Webhooks are accepted" if source.enabled else "Every webhook is refused until it is enabled again"
    return visit.page(
        "source.html",
        title=source.id,
        here="/sources",
        s=source,
        provider=PROVIDERS.get(source.provider),
        url=source.external_url or f"{visit.site.ingress}{source.path}",
        answer=f"{state}; {refused}.",
        rejected=rejected.data,
    )


async def _disable(visit: Visit) -> Response:
    await actions.patch_source(visit.deps, visit.path["id"], SourcePatch(enabled=False))
    return visit.go(_home(visit), f"{visit.path['id']} refuses webhooks from now on.", "warn")


async def _enable(visit: Visit) -> Response:
    await actions.patch_source(visit.deps, visit.path["id"], SourcePatch(enabled=True))
    return visit.go(_home(visit), f"{visit.path['id']} accepts webhooks again.")


async def _ask_delete(visit: Visit) -> Response:
    config = found_source(visit.deps, visit.path["id"]).config
    return visit.page(
        "confirm.html",
        title="Delete source",
        here="/sources",
        question=f"Delete the source {config.id}?",
        lines=[
            "Every webhook sent to its URL is refused from then on, and providers give up after a few refusals.",
            "What was accepted stays and is still delivered.",
        ],
        action=f"{_home(visit)}/delete",
        label="Delete the source",
        back=_home(visit),
        fields={},
        danger=True,
    )


async def _delete(visit: Visit) -> Response:
    await actions.delete_source(visit.deps, visit.path["id"])
    return visit.go("/sources", f"{visit.path['id']} is deleted.")


def _home(visit: Visit) -> str:
    return f"/sources/{visit.path['id']}"
