"""What the engine sends by: requests are started, and their outcomes reported later, all in one thread.

`delivery.client` puts one together; `delivery.curl` does the work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from delivery.transfer import Request

if TYPE_CHECKING:
    from delivery.transfer import Done

__all__ = ["HttpClient", "Request"]


class HttpClient(Protocol):
    """Belongs to one thread."""

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        ...

    def watch(self, fd: int) -> None:
        """Wake `run_once` when this descriptor is readable."""
        ...

    def start(self, request: Request, done: Done) -> None:
        """Begin a request; `done` is called from a later `run_once`, never from here."""
        ...

    def run_once(self, timeout_s: float) -> set[int]:
        """Wait at most `timeout_s` for something to do, do it, report outcomes. Answers which watched fds are readable."""
        ...

    def close(self) -> None:
        """Drop everything under way."""
        ...
