"""What callers send: one struct a request body, unknown fields refused. Structs check types, `checks` the meaning."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from schemas.auth import Auth  # noqa: TC001 - msgspec resolves the annotations

DAY_S = 24 * 3600


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of request bodies."""


Ordering = Literal["none", "key", "latest"]
Signature = Literal["v1", "v1a"]


class NoAuth(Form, frozen=True, kw_only=True, tag="none", tag_field="type", forbid_unknown_fields=True):
    """No credentials, the same as null."""


class EndpointForm(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new endpoint, or with PUT all of an old one. Empty `channels`: all; empty `retry_schedule`: the hub's."""

    url: str
    id: str | None = None  # made when absent
    tenant: str = "default"
    description: str = ""
    event_types: list[str] = msgspec.field(default_factory=lambda: ["*"])  # exact, order.* or *
    channels: list[str] = []
    headers: dict[str, str] = {}
    timeout_s: float = 15.0
    max_in_flight: int = 64
    retry_schedule: list[str | float] = []  # "5s", "5m" or seconds, before each retry
    ordering: Ordering = "none"  # key: one object's events in their order; latest: only the newest of each object
    rate_limit: float | None = None  # requests per second at most
    batch_max: int = 1  # events in one request at most
    batch_wait_ms: int = 0  # how long a batch waits to fill up
    signature: Signature | None = None  # v1 when absent; changes by rotate-secret only
    auth: Auth | NoAuth | None = None  # how the hub names itself, beside the signature
    ca: str | None = None  # PEM, what the endpoint's certificate is checked against; the public ones when absent


class EndpointPatch(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields of an endpoint to change; what is absent stays. `headers` replaces all of them, `auth` all of it."""

    url: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    event_types: list[str] | UnsetType = UNSET
    channels: list[str] | UnsetType = UNSET
    headers: dict[str, str] | UnsetType = UNSET
    timeout_s: float | UnsetType = UNSET
    max_in_flight: int | UnsetType = UNSET
    retry_schedule: list[str | float] | UnsetType = UNSET
    ordering: Ordering | UnsetType = UNSET
    rate_limit: float | UnsetType | None = UNSET
    batch_max: int | UnsetType = UNSET
    batch_wait_ms: int | UnsetType = UNSET
    signature: Signature | UnsetType = UNSET
    auth: Auth | NoAuth | UnsetType | None = UNSET
    ca: str | UnsetType | None = UNSET


class SourceForm(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new source, or with PUT all of an old one but its secrets, which stay when absent."""

    provider: str
    id: str | None = None  # the provider's slug when absent
    secrets: list[str] = []
    tenant: str = "default"
    description: str = ""
    external_url: str | None = None  # the URL as the sender knows it, where the scheme signs it
    ip_allowlist: list[str] = []  # CIDR ranges, empty for all
    options: dict[str, str] = {}
    enabled: bool = True


class SourcePatch(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields of a source to change; what is absent stays."""

    description: str | UnsetType = UNSET
    external_url: str | UnsetType | None = UNSET
    ip_allowlist: list[str] | UnsetType = UNSET
    options: dict[str, str] | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class RotateEndpointForm(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`overlap_s`: how long the old secrets sign too. `signature`: the kind of the new one, as before when absent."""

    overlap_s: float = DAY_S
    signature: Signature | None = None


class RotateSourceForm(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The provider's new secret. `overlap_s`: how long the old ones are accepted too."""

    secret: str
    overlap_s: float = DAY_S


class StateForm(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it is paused or disabled, for people."""

    reason: str | None = None


class EnableForm(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`recover`: send what it missed since it began to fail; when absent, if the hub disabled it."""

    recover: bool | None = None


class RetryForm(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`force`: also when it is delivered or under way."""

    force: bool = False


class RedriveForm(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dead deliveries; all that is absent matches.

    Times are ms since the epoch: `from` and `to` (exclusive) bound received_at, `died_from` when it was given up.
    """

    endpoint_id: str | None = None
    event_type: str | None = None
    object_key: str | None = None
    tenant: str | None = None
    cause: str | None = None
    causes: list[str] = []  # one of these
    died_from: int | None = None
    from_: int | None = msgspec.field(default=None, name="from")
    to: int | None = None
    dry_run: bool = False  # count, send nothing


class ReencryptForm(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most `limit` sources and endpoints in one call; 0 only counts."""

    limit: int = 50
