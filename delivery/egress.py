"""The egress guard: which addresses a delivery may connect to.

Asked for every resolved address at the moment of connecting, so neither a literal, an alias of a private
address nor a name that changes between check and use gets past it. Sources: IANA special-purpose address
registries (RFC 6890 and successors), OWASP SSRF prevention cheat sheet.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from runtime.settings import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Ranges that `is_global` calls global or that carry an IPv4 address inside, which would be reached through it.
_REFUSED_6: Final = tuple(
    ipaddress.IPv6Network(n)
    for n in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::ffff:0:0/96", "::/96", "fec0::/10", "5f00::/16")
)
_REFUSED_4: Final = tuple(ipaddress.IPv4Network(n) for n in ("192.88.99.0/24", "168.63.129.16/32", "100.64.0.0/10"))


def allowed(address: str, exceptions: tuple[Network, ...] = ()) -> bool:
    """Whether a connection to this literal address may be made. `exceptions` are the deployment's own CIDR ranges."""
    try:
        ip = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    if any((mapped or ip) in network for network in exceptions):
        return True
    return _public(ip)


def refusal(address: str) -> str:
    """Why nothing was sent, in words."""
    return f"{address} is not a public address: allow its range with HUB_EGRESS_ALLOW if it is yours"


def _public(ip: Address) -> bool:
    refused: tuple[Network, ...] = _REFUSED_6 if ip.version == 6 else _REFUSED_4
    if any(ip in network for network in refused):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback or ip.is_link_local)
