"""What was sent, what the hub accepted, what arrived: the books of one experiment.

An event is named by its identity, which the payload carries to the sink: the books never trust an id of the hub's.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Sent:
    """One message of a provider. `key` is its business object, `version` its place in that object's history."""

    identity: str
    key: str
    version: int
    first_sent_at: float
    accepted_at: float | None = None
    tries: int = 1


@dataclass(frozen=True)
class Arrival:
    """One request the sink answered with 200."""

    identity: str
    webhook_id: str
    at: float
    body: int  # hash of the bytes


@dataclass
class Ledger:
    """Times are seconds of one monotonic clock."""

    sent: dict[str, Sent] = field(default_factory=dict)
    derived: dict[str, tuple[str, ...]] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    bad_signatures: int = 0
    refused_by_sink: int = 0
    unreadable: list[str] = field(default_factory=list)
    _outstanding: set[str] = field(default_factory=set)
    _arrived: set[str] = field(default_factory=set)

    def send(self, identity: str, key: str, version: int, at: float) -> None:
        """A message leaves for the first time."""
        self.sent[identity] = Sent(identity, key, version, at)

    def derive(self, identity: str, needs: tuple[str, ...]) -> None:
        """The hub is to make this event once it has accepted all that it needs."""
        self.derived[identity] = needs

    def retry(self, identity: str) -> None:
        self.sent[identity].tries += 1

    def accept(self, identity: str, at: float) -> None:
        """The hub answered 2xx: from here on the event is its to lose."""
        self.sent[identity].accepted_at = at
        if identity not in self._arrived:
            self._outstanding.add(identity)

    def arrive(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        self._arrived.add(arrival.identity)
        self._outstanding.discard(arrival.identity)

    def due(self) -> list[str]:
        """Derived events whose every need was accepted."""
        accepted = {s.identity for s in self.sent.values() if s.accepted_at is not None}
        return [identity for identity, needs in self.derived.items() if accepted.issuperset(needs)]

    def outstanding(self) -> int:
        """Events of which nothing has arrived yet though they are the hub's to deliver."""
        return len(self._outstanding) + sum(identity not in self._arrived for identity in self.due())

    def accepted(self) -> int:
        return sum(s.accepted_at is not None for s in self.sent.values())

    def distinct_arrived(self) -> int:
        return len(self._arrived)
