"""The key of a record in `deliveries.held`: everything a worker has to know of it without reading its payload."""

from __future__ import annotations

from typing import NamedTuple


class HeldKey(NamedTuple):
    """Whose it is, where it stands (its offset in `deliveries`), which delivery it is, and in which line."""

    endpoint_id: str
    position: int
    delivery_id: str
    line: str

    def encode(self) -> bytes:
        """`endpoint/position/delivery/line`; only the last may have slashes in it."""
        return f"{self.endpoint_id}/{self.position}/{self.delivery_id}/{self.line}".encode()


def parse(key: bytes) -> HeldKey:
    """Raises ValueError when it is no such key."""
    endpoint_id, position, delivery_id, line = key.decode().split("/", 3)
    return HeldKey(endpoint_id, int(position), delivery_id, line)
