"""Who stands behind whom at an endpoint: pure.

A line holds what waits: first the places of records that lie in `deliveries.held`, by their order, then items in memory.
An ordered endpoint has one line for each object, and of each line one delivery goes at a time. An unordered endpoint has
one line for everything that did not fit into its queue.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from delivery.place import Places

if TYPE_CHECKING:
    from delivery.item import Item


class Line:
    """What waits at an endpoint in one order. Items in memory stand behind all places."""

    __slots__ = ("busy", "due_ms", "memory", "parked", "places", "sequence", "taken", "urged")

    def __init__(self) -> None:
        self.places = Places()
        self.memory: deque[Item] = deque()
        self.busy = False  # its head is queued or under way (ordered)
        self.due_ms = 0  # its head is not tried before (ordered)
        self.parked = False  # a person set it aside until its head is retried (ordered)
        self.urged = False  # a person wants its head tried now, whatever its record says (ordered)
        self.sequence = 0  # of its newest event (latest)
        self.taken: set[int] = set()  # positions of places that are queued or under way (unordered)

    def __len__(self) -> int:
        return len(self.places) + len(self.memory)

    @property
    def empty(self) -> bool:
        """Whether it can be forgotten."""
        return not (self.busy or self.places or self.memory)
