"""The client of a deployment, put together: connections, the proxy where there is one, access tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from delivery.authorize import Authorizer
from delivery.curl import CurlClient
from delivery.proxied import Proxied

if TYPE_CHECKING:
    from delivery.http import HttpClient
    from runtime.clock import Clock
    from runtime.settings import Settings


def build(settings: Settings, clock: Clock) -> HttpClient:
    """What the engine sends by. Belongs to one thread."""
    http = CurlClient(
        clock=clock, egress_allow=settings.egress_allow, proxy=settings.egress_proxy or "", max_requests=settings.max_requests
    )
    if settings.egress_proxy is None:
        return Authorizer(http, clock)
    return Authorizer(Proxied(http, clock=clock, allow=settings.egress_allow), clock)
