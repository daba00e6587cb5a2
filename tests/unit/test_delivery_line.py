"""Places in lines, against a plain dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from delivery import held_key
from delivery.held_key import HeldKey
from delivery.place import Place, Places, mark_of


class PlacesMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.places, self.model = Places(), {}

    @rule(position=st.integers(0, 5000), offset=st.integers(0, 10**12), mark=st.integers(0, 2**63 - 1))
    def put(self, position, offset, mark):
        self.places.put(Place(position, offset, mark))
        known = self.model.get(position)
        self.model[position] = Place(position, offset, known.mark if known else mark)

    @rule(count=st.integers(1, 1500))
    def append_many(self, count):
        start = max(self.model, default=0) + 1
        for position in range(start, start + count):
            self.places.put(Place(position, position, position))
            self.model[position] = Place(position, position, position)

    @precondition(lambda self: self.model)
    @rule(count=st.integers(1, 1500))
    def take_from_the_front(self, count):
        for _ in range(min(count, len(self.model))):
            first = self.places[0]
            assert first == self.model.pop(min(self.model))
            assert self.places.remove(first.position)

    @rule(position=st.integers(0, 5000))
    def remove(self, position):
        assert self.places.remove(position) == (self.model.pop(position, None) is not None)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def find_by_mark(self, data):
        place = data.draw(st.sampled_from(sorted(self.model.values())[:20]))
        assert self.places.marked(place.mark).mark == place.mark

    @invariant()
    def the_same(self):
        assert len(self.places) == len(self.model)
        if self.model:
            assert self.places[0] == self.model[min(self.model)]
            assert self.places[len(self.model) - 1] == self.model[max(self.model)]
            assert self.places.has(min(self.model))
        assert not self.places.has(-1)


TestPlaces = PlacesMachine.TestCase
TestPlaces.settings = hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.from_regex(r"[a-z0-9_-]{1,20}", fullmatch=True), st.integers(0, 2**60), st.text(max_size=60))
def test_a_key_comes_back(endpoint, position, line):
    key = HeldKey(endpoint, position, "dlv_1", line)
    assert held_key.parse(key.encode()) == key


def test_marks_fit_and_differ():
    marks = {mark_of(f"dlv_{i}") for i in range(10_000)}
    assert len(marks) == 10_000
    assert all(0 <= mark < 2**63 for mark in marks)
