"""Which URLs an endpoint may have. Pure; the delivery worker checks each resolved address again when it connects."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from runtime.addresses import is_public, within

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.addresses import Address, Network

LENGTH_MAX: Final = 2048
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f<>\"\\^`{|}]")
_NAME: Final = re.compile(
    r"(?=.{1,253}\.?$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.?", re.IGNORECASE
)
_NUMBERS: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}\.?", re.IGNORECASE)
_LOCAL_NAMES: Final = ("localhost", "localhost.localdomain")
_PRIVATE_ZONES: Final = (".internal", ".local", ".localdomain", ".home.arpa", ".onion")
"""Names that the public DNS does not have (RFC 6761 and successors), those of metadata services among them."""


def problem_of(url: str, allowed: Iterable[Network] = ()) -> str | None:
    """What is wrong with a URL and how to mend it; None when it can be used.

    `allowed` are the private ranges that this deployment may send to.
    """
    if len(url) > LENGTH_MAX:
        return f"is longer than {LENGTH_MAX} characters"
    if not url.isascii() or _FORBIDDEN.search(url):
        return "contains a character that must be escaped: write spaces and letters beyond ASCII as %XX, names as xn--…"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as e:
        return f"is no URL: {e}"
    rules = (
        (parts.scheme not in {"http", "https"}, "must begin with https:// or http://"),
        ("@" in parts.netloc, "must not contain a user or a password: put them into headers"),
        ("#" in url, "must not contain a fragment: what follows # is never sent"),
        (port == 0, "must not have port 0"),
    )
    broken = next((words for wrong, words in rules if wrong), None)
    return broken or _host_problem(parts.hostname or "", tuple(allowed))


def _host_problem(host: str, allowed: tuple[Network, ...]) -> str | None:
    if not host:
        return "has no host: write https://shop.example/webhooks"
    address = _literal(host)
    if address is None:
        return _name_problem(host, allowed)
    if is_public(address) or within(address, allowed):
        return None
    return _refused(host, f"{address}/{address.max_prefixlen}")


def _name_problem(host: str, allowed: tuple[Network, ...]) -> str | None:
    name = host.rstrip(".")
    if name in _LOCAL_NAMES or name.endswith(".localhost"):
        return None if within(ipaddress.ip_address("127.0.0.1"), allowed) else _refused(host, "127.0.0.0/8")
    if _NUMBERS.fullmatch(host):
        return f"has the host {host!r}, which is read as an address by some and as a name by others: write it as a.b.c.d"
    if not allowed and f".{name}".endswith(_PRIVATE_ZONES):
        return f"has the host {host!r}, a private name: use a public one, or name its network in HUB_EGRESS_ALLOW"
    return None if _NAME.fullmatch(host) else f"has the host {host!r}, which is no host name"


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _refused(host: str, network: str) -> str:
    return f"points to {host}, a private address: use a public one, or start the hub with HUB_EGRESS_ALLOW={network}"
