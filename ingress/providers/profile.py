"""What a provider profile is: one pure function that verifies, its inverse, and where the identity stands.

Pure: no clock, no network, no environment. A scheme whose key must be fetched will get it as one more `Key`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import msgspec

from ingress.providers.fields import Reader

Reason = Literal[
    "signature_missing", "signature_malformed", "signature_mismatch", "timestamp_stale", "no_secret", "misconfigured"
]
UNKNOWN_TOPIC = "unknown"
"""Topic of an authentic webhook that names none: accepted, because senders punish refusals, and set aside later."""


class Request(msgspec.Struct, frozen=True):
    """A request as it came in. Header names are lower-case; repeated headers are joined by a comma (RFC 9110).

    `url` is the URL as the sender knows it, from the source's configuration, never rebuilt from headers.
    """

    body: bytes
    headers: Mapping[str, str]
    method: str = "POST"
    url: str | None = None


class Key(Protocol):
    """A secret of the source."""

    @property
    def id(self) -> str:
        """Short id, recorded when it matches."""
        ...

    @property
    def value(self) -> str:
        """The secret itself."""
        ...

    def active(self, now_ms: int) -> bool:
        """Whether it may still be used."""
        ...


class Verified(msgspec.Struct, frozen=True):
    """The sender is who it says: the secret with this id matched."""

    secret_id: str


class Refused(msgspec.Struct, frozen=True):
    """No secret vouches for the request."""

    reason: Reason
    detail: str


class Handshake(msgspec.Struct, frozen=True):
    """A request that carries no event and only wants an answer; nothing is published."""

    kind: str


Outcome = Verified | Refused | Handshake
Verify = Callable[[Request, Sequence[Key], int], Outcome]
"""(request, keys, now in ms) -> outcome."""
Sign = Callable[[Request, str, int], dict[str, str]]
"""(request without signature, secret, now in ms) -> headers to add, so that `Verify` accepts it."""


class Place(msgspec.Struct, frozen=True):
    """Where a value stands: in the headers or the body fields called `names`, all there, joined by `separator`."""

    in_headers: bool
    names: tuple[str, ...]
    separator: str


def header(*names: str) -> Place:
    """A value in one header, or in several together."""
    return Place(in_headers=True, names=names, separator="/")


def field(*paths: str) -> Place:
    """A value at one dotted path of a JSON body, or at several together."""
    return Place(in_headers=False, names=paths, separator=":")


class Identity(msgspec.Struct, frozen=True):
    """Who and what a webhook is about, in the provider's words."""

    delivery: str | None
    topic: str
    account: str | None
    object: str | None


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A provider: how it signs and where its identity stands. The first place of several that has a value wins.

    `object` is by topic: the first entry whose prefix the topic has. `retry_span_s` is how long it repeats a
    delivery that was not accepted, hence how long repeats must be known.
    """

    slug: str
    verify: Verify
    sign: Sign
    delivery: tuple[Place, ...] = ()
    topic: tuple[Place, ...] = ()
    account: tuple[Place, ...] = ()
    object: tuple[tuple[str, tuple[Place, ...]], ...] = ()
    keep: frozenset[str] = frozenset()
    retry_span_s: int = 3 * 24 * 3600

    def identify(self, request: Request) -> Identity:
        """Identity of a verified request."""
        values = self._reader.read(request.body)
        topic = _find(self.topic, request.headers, values) or UNKNOWN_TOPIC
        places = next((places for prefix, places in self.object if topic.startswith(prefix)), ())
        return Identity(
            delivery=_find(self.delivery, request.headers, values),
            topic=topic,
            account=_find(self.account, request.headers, values),
            object=_find(places, request.headers, values),
        )

    def kept(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The request headers that are worth keeping."""
        return {name: headers[name] for name in self.keep if name in headers}

    @cached_property
    def _reader(self) -> Reader:
        places = [*self.delivery, *self.topic, *self.account, *(p for _, group in self.object for p in group)]
        return Reader({path for place in places if not place.in_headers for path in place.names})


def _find(places: tuple[Place, ...], headers: Mapping[str, str], values: Mapping[str, str]) -> str | None:
    for place in places:
        source = headers if place.in_headers else values
        value = source.get(place.names[0])
        if value and len(place.names) > 1:
            parts = [source.get(name) for name in place.names]
            value = place.separator.join(map(str, parts)) if all(parts) else None
        if value:
            return value[:MAX_LENGTH]
    return None


MAX_LENGTH = 512
"""Characters kept of an id or topic: a sender's mistake must not become a giant key."""
