"""Ids: the same input gives the same id for ever, and no two inputs share one."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas import ids

PART = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
MAKERS = {ids.received_id: 4, ids.event_id: 3, ids.derived_event_id: 3, ids.delivery_id: 2, ids.webhook_id: 2}


@pytest.mark.parametrize(
    ("made", "known"),
    [
        (ids.received_id("t", "shop", "orders/create", "b54557e4"), "rcv_l33h6gbks2ju343h2gcxirqqbh"),
        (ids.event_id("rcv_1", "order.created", "450789469"), "evt_eg4maezlip3kthdmw32ouwsx2s"),
        (ids.derived_event_id("t", "order.released", "450789469"), "evt_gh2xrk7ofackmmxm6hnuypqtr6"),
        (ids.delivery_id("evt_1", "ep_1"), "dlv_r2nb64e5dtanje7sbgur5lkxhg"),
        (ids.webhook_id("evt_1", "ep_1"), "msg_r2nb64e5dtanje7sbgur5lkxhg"),
    ],
)
def test_ids_are_what_earlier_versions_made(made: str, known: str) -> None:
    """A change here would give retries and replays of stored events a second identity."""
    assert made == known


@pytest.mark.parametrize(("make", "count"), MAKERS.items(), ids=lambda v: getattr(v, "__name__", ""))
def test_an_id_is_short_and_safe_in_urls_headers_and_keys(make, count) -> None:
    assert re.fullmatch(r"(rcv|evt|dlv|msg)_[a-z2-7]{26}", make(*["ü/#\n"] * count))


@given(st.sampled_from(list(MAKERS)), st.data())
def test_different_parts_give_different_ids(make, data) -> None:
    parts = st.lists(PART, min_size=MAKERS[make], max_size=MAKERS[make])
    one, other = data.draw(parts), data.draw(parts)
    assert make(*one) == make(*one)
    assert (make(*one) == make(*other)) is (one == other)


@given(PART, PART, PART)
def test_text_moved_between_parts_changes_the_id(a: str, b: str, c: str) -> None:
    assume(b)
    assert ids.delivery_id(a + b, c) != ids.delivery_id(a, b + c)


@given(PART, PART)
def test_kinds_of_ids_differ_for_the_same_parts(a: str, b: str) -> None:
    assert ids.delivery_id(a, b) != ids.webhook_id(a, b)
    assert ids.event_id("workflow", a, b) != ids.derived_event_id(a, b, "")
    assert ids.received_id("workflow", a, b, "")[4:] != ids.event_id("workflow", a, b)[4:]
