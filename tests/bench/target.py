"""Where the bench publishes to: a source and its endpoints, made through the API of a running hub.

Each target has a tenant of its own, so that the endpoints of the warm-up get nothing of the test.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, Any

from tests.bench.template import SHOPIFY_ORDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.hub import Hub

_SIGNATURE = "X-Shopify-Hmac-Sha256"


def create(hub: Hub, urls: Sequence[str]) -> dict[str, Any]:
    """A Shopify source and one endpoint a URL; what a publisher must know, as in the specification of bench peers."""
    tenant, secret = f"bench-{time.time_ns()}", secrets.token_hex(16)
    hub.api("POST", "/sources", {"id": tenant, "provider": "shopify", "secrets": [secret], "tenant": tenant})
    for url in urls:
        hub.api("POST", "/endpoints", {"url": url, "event_types": ["order.created"], "tenant": tenant})
    return {
        "url": f"{hub.ingress}/in/{tenant}",
        "headers": [
            "X-Shopify-Topic: orders/create",
            "X-Shopify-Shop-Domain: example-shop.myshopify.com",
            "X-Shopify-Webhook-Id: {{UUID}}",
        ],
        "body": SHOPIFY_ORDER,
        "sign": f"{_SIGNATURE}:{secret}",
    }


def remove_all(hub: Hub) -> None:
    """Take away every endpoint: what is still due for them is given up."""
    while found := hub.api("GET", "/endpoints")["data"]:
        for endpoint in found:
            hub.api("DELETE", f"/endpoints/{endpoint['id']}")


def arguments(target: dict[str, Any], template: str) -> list[str]:
    """The load generator's options for this target."""
    options = ["-url", target["url"], "-template", template, "-sign", target["sign"]]
    for header in target["headers"]:
        options += ["-H", header]
    return options


def dump(target: dict[str, Any]) -> str:
    """As one line, for another bench."""
    return json.dumps(target)
