"""What the engine needs of an HTTP client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from delivery.http import Request
    from delivery.outcome import Outcome


class Sender(Protocol):
    """Starts requests and calls back with their outcomes from `run_once`. Belongs to one thread."""

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        ...

    def watch(self, fd: int) -> None:
        """Wake `run_once` when this descriptor is readable."""
        ...

    def start(self, request: Request, done: Callable[[Outcome], None]) -> None:
        """Begin a request."""
        ...

    def run_once(self, timeout_s: float) -> set[int]:
        """Wait at most `timeout_s` for something to do, do it, report outcomes. Answers which watched fds are readable."""
        ...
