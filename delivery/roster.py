"""The endpoints this worker has met, each with its state; kept true to the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from delivery.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from delivery.tracker import Tracker
    from runtime.clock import Clock
    from runtime.config import Endpoints, Standings


class Assigned(NamedTuple):
    """A partition of `deliveries` is this worker's now."""

    partition: int
    tracker: Tracker


class Revoked(NamedTuple):
    """A partition of `deliveries` is another worker's."""

    partition: int


class Roster:
    """Receivers by endpoint id. Belongs to the engine's thread."""

    def __init__(self, endpoints: Endpoints, standings: Standings, clock: Clock) -> None:
        self._endpoints, self._standings, self._clock = endpoints, standings, clock
        self._receivers: dict[str, Receiver] = {}
        self._version = -1

    def __iter__(self) -> Iterator[Receiver]:
        return iter(self._receivers.values())

    def get(self, endpoint_id: str) -> Receiver | None:
        """The receiver of an endpoint; None when there is no such endpoint."""
        endpoint = self._endpoints.items.get(endpoint_id)
        if endpoint is None:
            return None
        receiver = self._receivers.get(endpoint_id)
        if receiver is None:
            receiver = self._receivers[endpoint_id] = Receiver(endpoint, self._clock.monotonic())
            receiver.health.recall(self._standings.items.get(endpoint_id))
        elif receiver.seen is not endpoint:
            receiver.take(endpoint, self._clock.monotonic())
        return receiver

    def refresh(self) -> list[Receiver]:
        """Take changes of the configuration in. Answers the receivers that changed."""
        version = self._endpoints.version  # before the items: a change in between is seen the next time
        if version == self._version:
            return []
        self._version = version
        changed = []
        for endpoint_id, receiver in self._receivers.items():
            endpoint = self._endpoints.items.get(endpoint_id)
            if endpoint is None:
                if not receiver.deleted:
                    receiver.deleted = True
                    changed.append(receiver)
            elif receiver.seen is not endpoint or receiver.deleted:
                receiver.deleted = False
                receiver.take(endpoint, self._clock.monotonic())
                changed.append(receiver)
        return changed

    def leave(self, partition: int) -> None:
        """A partition is another worker's: forget what waits for its endpoints."""
        for receiver in self._receivers.values():
            if receiver.partition == partition:
                receiver.leave()
