"""Free ports of this machine, and the error for a taken one."""

from __future__ import annotations

import socket

from hub.errors import HubError

LOOPBACK = "127.0.0.1"
ANY = ("0.0.0.0", "::")  # listening on all addresses, reached by loopback


def pick() -> int:
    """A port free at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now; connections in TIME_WAIT do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def claim(port: int, setting: str, host: str = LOOPBACK) -> int:
    """`port` if it is free, a free one for 0. Raises HubError naming the setting."""
    if port == 0:
        return pick()
    if not is_free(port, host):
        raise HubError(
            f"Port {port} on {host} is taken: stop what listens there, or set {setting} to another port (0 picks one)."
        )
    return port
