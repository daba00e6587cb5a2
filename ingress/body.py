"""Reads a raw body: never more than its cap, and never more of all bodies together than the process may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ingress.answers import unavailable
from ingress.refusals import Refusal

if TYPE_CHECKING:
    from starlette.types import Message, Receive

HOLD_MAX: Final = 64 * 1024 * 1024


class Bodies:
    """Counts the bytes of bodies that are read and not yet answered."""

    def __init__(self, cap: int, hold_max: int = HOLD_MAX) -> None:
        self.cap, self.held, self._hold_max = cap, 0, hold_max

    async def read(self, receive: Receive, declared: str | None, cap: int | None = None) -> bytes:
        """The whole body; give its length back to `release`. Raises Refusal, or Problem 503 when too much is held."""
        cap = cap or self.cap
        size = int(declared) if declared is not None and declared.isdigit() else 0
        if size > cap:
            raise _too_large(cap, size, b"")
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            body: bytes = message.get("body", b"")
            self._hold(body, cap, len(body))
            return body
        return await self._gather(message, receive, cap)

    def release(self, size: int) -> None:
        """A body of `size` bytes is no longer held."""
        self.held -= size

    async def _gather(self, message: Message, receive: Receive, cap: int) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            while message["type"] == "http.request":
                chunk = message.get("body", b"")
                self._hold(chunk, cap, size + len(chunk))
                size += len(chunk)
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return b"".join(chunks)
                message = await receive()
            gone = f"the sender went away, or was too slow, after {size} bytes of the body"
            raise Refusal("body_incomplete", gone, size=size, head=b"".join(chunks))
        except BaseException:
            self.release(size)
            raise

    def _hold(self, chunk: bytes, cap: int, size: int) -> None:
        if size > cap:
            raise _too_large(cap, size, chunk)
        if self.held + len(chunk) > self._hold_max:
            raise unavailable("too many bodies are waiting for Kafka: come back in a moment")
        self.held += len(chunk)


def _too_large(cap: int, size: int, head: bytes) -> Refusal:
    return Refusal(
        "body_too_large", f"the body is larger than {cap} bytes: raise HUB_BODY_CAP or send less", size=size, head=head
    )
