"""The egress guard: which addresses a delivery may connect to.

Asked for every resolved address at the moment of connecting, so neither a literal, an alias of a private
address nor a name that changes between check and use gets past it.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING

from runtime import addresses

if TYPE_CHECKING:
    from runtime.settings import Network


@lru_cache(4096)
def allowed(address: str, exceptions: tuple[Network, ...] = ()) -> bool:
    """Whether a connection to this literal address may be made. `exceptions` are the deployment's own CIDR ranges."""
    try:
        ip = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    except ValueError:
        return False
    return addresses.within(ip, exceptions) or addresses.is_public(ip)


def refusal(address: str) -> str:
    """Why nothing was sent, in words."""
    return f"{address} is not a public address: allow its range with HUB_EGRESS_ALLOW if it is yours"
