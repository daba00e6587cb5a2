"""The tracker against a plain set: what is committed never passes what is unfinished."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from delivery.tracker import Tracker


class TrackerMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.tracker = Tracker()
        self.next_offset = 0
        self.open: dict[int, object] = {}
        self.received: list[int] = []

    @rule(gap=st.integers(0, 3))
    def receive(self, gap):
        offset = self.next_offset + gap  # compaction and transaction markers leave gaps
        self.open[offset] = self.tracker.received(offset)
        self.received.append(offset)
        self.next_offset = offset + 1

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def finish_any(self, data):
        offset = data.draw(st.sampled_from(sorted(self.open)))
        self.open.pop(offset).done = True

    @rule()
    def reassign(self):
        # Everything unfinished comes again, from the committed position on.
        position = self.tracker.position()
        self.tracker = Tracker()
        self.open.clear()
        if position is not None:
            self.received = [o for o in self.received if o < position]
            self.next_offset = position

    @invariant()
    def position_is_the_smallest_unfinished(self):
        position = self.tracker.position()
        if self.open:
            assert position == min(self.open)
        elif position is not None:
            assert position == self.received[-1] + 1


TestTracker = TrackerMachine.TestCase
TestTracker.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)


def test_nothing_received_commits_nothing():
    assert Tracker().position() is None
