"""Sources made ready to judge requests: profile chosen, options parsed, address ranges compiled, once per change."""

from __future__ import annotations

import functools
import ipaddress
from typing import TYPE_CHECKING, Final

import msgspec

from ingress.bucket import TokenBucket
from ingress.providers import PROFILES
from ingress.providers.profile import Profile  # noqa: TC001 - msgspec resolves the annotations
from ingress.refusals import Refusal
from runtime import metrics
from runtime.config import Source  # noqa: TC001 - same
from runtime.settings import Network  # noqa: TC001 - same
from schemas.providers import validate, validate_ip_allowlist

if TYPE_CHECKING:
    from runtime.clock import Clock
    from runtime.config import Sources

CATCH_UPS_A_SECOND: Final = 3.0


class Counters:
    """The metrics of one provider, looked up once."""

    def __init__(self, provider: str) -> None:
        self.received = metrics.RECEIVED.labels(provider)
        self.seconds = metrics.INGRESS_SECONDS.labels(provider)
        self.verified_by = functools.cache(lambda secret_id: metrics.VERIFIED.labels(provider, secret_id))


class Door(msgspec.Struct, frozen=True):
    """A source ready to judge. `problem` says why it cannot, when it cannot."""

    source: Source
    profile: Profile | None
    networks: tuple[Network, ...]
    problem: str | None
    counters: Counters

    def check_address(self, address: str) -> None:
        """Raise Refusal when the source is closed to this peer."""
        if self.networks and not any(_parse(address) in network for network in self.networks):
            raise Refusal("address_refused", f"{address} is in no range of the source's ip_allowlist")

    def open(self) -> Profile:
        """The profile to verify with. Raises Refusal when the source is off or unusable."""
        if not self.source.config.enabled:
            raise Refusal("source_disabled", f"the source {self.source.config.id} is disabled: enable it under /api/v1/sources")
        if self.profile is None:
            raise Refusal("misconfigured", f"the source {self.source.config.id} cannot be used: {self.problem}")
        return self.profile


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    parsed = ipaddress.ip_address(address)
    return getattr(parsed, "ipv4_mapped", None) or parsed


def door(source: Source) -> Door:
    """A source, made ready."""
    config = source.config
    counters = Counters(config.provider)
    problems = validate(config.provider, config.options, [s.value for s in source.secrets], config.external_url)
    problems += validate_ip_allowlist(config.ip_allowlist)
    if problems:
        # Without a profile the door stays shut, whatever the address: an unreadable range opens nothing.
        return Door(source, None, (), "; ".join(f"{field} {message}" for field, message in problems), counters)
    networks = tuple(ipaddress.ip_network(r, strict=False) for r in config.ip_allowlist)
    return Door(source, PROFILES[config.provider](config.options), networks, None, counters)


class Doors:
    """Doors by source id, kept in step with the live view."""

    def __init__(self, sources: Sources, clock: Clock) -> None:
        self._sources = sources
        self._version = -1
        self._doors: dict[str, Door] = {}
        self._catch_ups = TokenBucket(clock, rate=CATCH_UPS_A_SECOND, burst=CATCH_UPS_A_SECOND)

    async def find(self, source_id: str) -> Door:
        """The door of a source; one that was created a moment ago is waited for. Raises Refusal."""
        found = self._known(source_id)
        if found is None and self._catch_ups.take():
            await self._sources.catch_up()
            found = self._known(source_id)
        if found is None:
            raise Refusal("unknown_source", f"there is no source {source_id!r}: create it under /api/v1/sources")
        return found

    def _known(self, source_id: str) -> Door | None:
        items, version = self._sources.items, self._sources.version
        if version != self._version:
            self._doors = {k: d for k, d in self._doors.items() if items.get(k) is d.source}
            self._version = version
        found = self._doors.get(source_id)
        if found is None and source_id in items:
            found = self._doors[source_id] = door(items[source_id])
        return found
