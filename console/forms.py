"""What callers send: one struct a request body, unknown fields refused. Structs check types, `checks` the meaning."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

DAY_S = 24 * 3600


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of request bodies."""


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
    ordering: Literal["none"] = "none"


class EndpointPatch(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields of an endpoint to change; what is absent stays. `headers` replaces all of them."""

    url: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    event_types: list[str] | UnsetType = UNSET
    channels: list[str] | UnsetType = UNSET
    headers: dict[str, str] | UnsetType = UNSET
    timeout_s: float | UnsetType = UNSET
    max_in_flight: int | UnsetType = UNSET
    retry_schedule: list[str | float] | UnsetType = UNSET
    ordering: Literal["none"] | UnsetType = UNSET


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
    """`overlap_s`: how long the old secrets sign too."""

    overlap_s: float = DAY_S


class RotateSourceForm(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The provider's new secret. `overlap_s`: how long the old ones are accepted too."""

    secret: str
    overlap_s: float = DAY_S


class StateForm(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it is paused or disabled, for people."""

    reason: str | None = None


class RetryForm(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`force`: also when it is delivered or under way."""

    force: bool = False


class RedriveForm(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dead deliveries; all that is absent matches. Times bound received_at, ms since the epoch, `to` exclusive."""

    endpoint_id: str | None = None
    event_type: str | None = None
    object_key: str | None = None
    tenant: str | None = None
    cause: str | None = None
    from_: int | None = msgspec.field(default=None, name="from")
    to: int | None = None
    dry_run: bool = False  # count, send nothing


class ReencryptForm(Form, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most `limit` sources and endpoints in one call; 0 only counts."""

    limit: int = 50
