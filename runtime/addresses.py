"""Which addresses belong to everybody's internet: what may be sent to unless a deployment says otherwise.

Sources: IANA special-purpose address registries (RFC 6890 and successors), OWASP SSRF prevention cheat sheet.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_REFUSED_4: Final = tuple(
    IPv4Network(n)
    for n in (
        "100.64.0.0/10",  # shared by carriers; Alibaba's metadata service
        "168.63.129.16/32",  # Azure's platform address, public by its number only
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata service
        "192.88.99.0/24",  # 6to4 relays
    )
)
_GLOBAL_6: Final = IPv6Network("2000::/3")  # all that is handed out as global unicast
_REFUSED_6: Final = tuple(
    IPv6Network(n)
    for n in (
        "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries an IPv4 address that it is routed to
        "3fff::/20",  # documentation
    )
)
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214: third quarter of an address that ends in an IPv4 address


def is_public(address: Address) -> bool:
    """Whether everybody may reach it, and the IPv4 address it may carry leads nowhere else."""
    if isinstance(address, IPv6Address):
        if address not in _GLOBAL_6 or any(address in network for network in _REFUSED_6):
            return False
        return address.is_global and (int(address) >> 32) & 0xFFFF_FFFF not in _ISATAP
    if any(address in network for network in _REFUSED_4):
        return False
    # What is_global leaves to others.
    return address.is_global and not (address.is_multicast or address.is_reserved)


def within(address: Address, networks: tuple[Network, ...]) -> bool:
    """Whether an address is in one of the networks; an IPv4-mapped one counts as what is mapped."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any((mapped or address) in network for network in networks)
