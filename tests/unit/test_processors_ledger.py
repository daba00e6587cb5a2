"""The ledger: whatever order confirmations come in, lots are acknowledged in the order they came, and only when done."""

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from processors.ledger import Ledger

PARTITIONS = [("t", 0), ("t", 1), ("t", 2)]


class Machine(RuleBasedStateMachine):
    """Model: plain lists. A lot of events is done when all its records are confirmed and no more will be sent."""

    def __init__(self):
        super().__init__()
        self.acked, self.lost, self.arrived, self.open = [], set(), [], {}
        self.ledger = Ledger(self.acked.append, max_events=9, max_bytes=1000)
        self.counts = {}
        self.entries, self.sending, self.in_flight, self.number = {}, None, [], 0

    @precondition(lambda self: self.sending is None)
    @rule(partitions=st.frozensets(st.sampled_from(PARTITIONS), min_size=1), count=st.integers(1, 4))
    def take(self, partitions, count):
        self.number += 1
        self.arrived.append((self.number, partitions))
        self.counts[self.number] = count
        self.entries[self.number] = self.ledger.take(self.number, count, partitions)
        self.open[self.number] = 1
        self.sending = self.number

    @precondition(lambda self: self.sending is not None)
    @rule(size=st.integers(0, 400))
    def send(self, size):
        self.ledger.sent(self.entries[self.sending], size)
        self.in_flight.append((self.sending, size))
        self.open[self.sending] += 1

    @precondition(lambda self: self.sending is not None)
    @rule()
    def all_sent(self):
        number, self.sending = self.sending, None
        self.open[number] -= 1
        self.ledger.all_sent(self.entries[number])

    @precondition(lambda self: self.in_flight)
    @rule(random=st.randoms(use_true_random=False))
    def confirm(self, random: random.Random):
        number, size = self.in_flight.pop(random.randrange(len(self.in_flight)))
        self.open[number] -= 1
        self.ledger.confirmed(self.entries[number], size)

    @rule(partitions=st.sets(st.sampled_from(PARTITIONS), min_size=1))
    def revoke(self, partitions):
        gone = {n for n, p in self.arrived if p & partitions and n not in self.acked} - self.lost
        assert self.ledger.revoke(partitions) == sum(self.counts[n] for n in gone)
        self.lost |= gone

    @invariant()
    def acknowledged_in_order_exactly_the_done_ones_at_the_head(self):
        kept = [n for n, _ in self.arrived if n not in self.lost]
        done = []
        for number in kept:
            if self.open[number]:
                break
            done.append(number)
        assert self.acked == done

    @invariant()
    def nothing_revoked_is_acknowledged(self):
        assert not self.lost & set(self.acked)

    @invariant()
    def counts_what_is_under_way(self):
        assert self.ledger.bytes == sum(size for _, size in self.in_flight)
        waiting = [n for n, _ in self.arrived if n not in self.lost and n not in self.acked]
        events = sum(self.counts[n] for n in waiting)
        assert len(self.ledger) == events
        assert self.ledger.full is (events >= 9 or self.ledger.bytes >= 1000)
        assert self.ledger.heavy is (self.ledger.bytes >= 1000)


TestLedger = Machine.TestCase
TestLedger.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
