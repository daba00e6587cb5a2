"""Every page in light and dark, wide and at 360 px: pictures to look at, and what a machine can see in them."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.timeout(400)]


RULES = {
    ("dark", 1280): ("color-contrast",),
    ("light", 360): ("color-contrast", "scrollable-region-focusable", "target-size"),
    ("dark", 360): ("color-contrast",),
}
"""The page is the same in each: only what another light or width can break is checked again."""


def pages(story) -> dict[str, str]:
    return {
        "overview": "/", "overview-24h": "/?range=24h",
        "overview-7d": "/?range=7d", "deliveries": "/deliveries?range=24h",
        "deliveries-none": "/deliveries?type=nothing.like.this", "delivery-dead": f"/deliveries/{story.first['dead'].id}",
        "delivery-retrying": f"/deliveries/{story.first['retrying status'].id}", "delivery-timeout": f"/deliveries/{story.first['retrying timeout'].id}",
        "delivery-curl": f"/deliveries/{story.first['ep_hostile'].id}?view=curl", "endpoints": "/endpoints", "endpoint": "/endpoints/ep_erp", "endpoint-disabled": "/endpoints/ep_closed",
        "delivery-superseded": f"/deliveries/{story.first['superseded'].id}",
        "endpoint-new": "/endpoints/new", "endpoint-edit": "/endpoints/ep_hostile/edit", "endpoint-rotate": "/endpoints/ep_erp/rotate",
        "endpoint-delete": "/endpoints/ep_erp/delete", "sources": "/sources", "source": "/sources/shop-eu", "source-providers": "/sources/new",
        "source-new": "/sources/new?provider=generic-hmac", "dead": "/dead", "redrive": "/dead/redrive?endpoint=ep_old", "unrouted": "/unrouted",
        "quarantined": "/quarantined", "rejected": "/rejected", "rejected-one": "/rejected/rej_3",
    }  # fmt: skip


@pytest.mark.parametrize("width", [1280, 360])
def test_a_hub_without_anything_teaches(visit, width):
    """Before the story is told: the console is new."""
    visitor = visit(width=width)
    for name, path in {"overview": "/", "endpoints": "/endpoints", "sources": "/sources", "deliveries": "/deliveries"}.items():
        visitor.go(path)
        assert "hub send shopify" in visitor.text()
        visitor.inspect(name)


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page(visit, story, scheme, width):
    visitor = visit(scheme=scheme, width=width)
    for name, path in pages(story).items():
        visitor.go(path)
        visitor.inspect(name, rules=RULES.get((scheme, width), ()))
