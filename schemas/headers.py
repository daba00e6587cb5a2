"""Which header lines a request may carry beside those that the hub writes itself. Pure; asked when an endpoint is
configured and again before a request is made. Source: RFC 9110 sections 5.1, 5.5, 5.6.2 and 7.6.1.
"""

from __future__ import annotations

import re
from typing import Final

NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
VALUE_MAX: Final = 4096
OWN: Final = frozenset(
    {"host", "content-length", "content-type", "content-encoding", "connection", "keep-alive", "proxy-authenticate",
     "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect", "http2-settings"}
)  # fmt: skip
"""Hop-by-hop headers, those that say where a request ends, and those the hub sets itself."""
OWN_PREFIXES: Final = ("webhook-", "x-hookstream-")


def name_problem(name: str) -> str | None:
    """What is wrong with a header's name, for people."""
    if not NAME.fullmatch(name):
        return "is no header name: letters, digits and dashes, such as X-Api-Key"
    # Some servers read _ as - (CGI, WSGI): what they would take for a header of the hub's is one.
    plain = name.lower().replace("_", "-")
    return "is set by the hub: choose another name" if plain in OWN or plain.startswith(OWN_PREFIXES) else None


def value_problem(value: str) -> str | None:
    """What is wrong with a header's value, for people."""
    if VALUE.fullmatch(value) and len(value) <= VALUE_MAX:
        return None
    return f"the value must be at most {VALUE_MAX} printable ASCII characters, without line breaks"
