"""A port of loopback that refuses connections, and is nobody else's meanwhile."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """Bound and not listened to for as long as the context lasts: a connection to it is refused at once."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
