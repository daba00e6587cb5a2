"""What the hub tells of itself: deterministic records that become own events about the endpoint."""

import json

import pytest

from processors.mappings import own
from processors.normalize import Pointer, normalize
from processors.payload import render
from schemas import ids
from schemas.operational import DISABLED, EXHAUSTED, FAILING, OPERATIONAL_TYPES, RECOVERED, received
from schemas.own_events import key_of

AT = 1_764_000_000_000
DATA = {"url": "https://x.example", "state": "active", "reason": None, "failures": 4, "last_status": 503, "last_error": "503"}


def test_the_same_facts_make_the_same_record_and_another_occasion_another_id():
    one = received(FAILING, "acme", "ep_1", DATA, AT, "1763999990000")
    assert received(FAILING, "acme", "ep_1", dict(DATA), AT, "1763999990000") == one
    others = [
        received(FAILING, "acme", "ep_1", DATA, AT, "1764000000000"),
        received(FAILING, "acme", "ep_2", DATA, AT, "1763999990000"),
        received(FAILING, "other", "ep_1", DATA, AT, "1763999990000"),
        received(RECOVERED, "acme", "ep_1", DATA, AT, "1763999990000"),
    ]
    assert len({one.id, *(o.id for o in others)}) == 5
    assert key_of(one) == "acme/api/ep_1"


@pytest.mark.parametrize("kind", sorted(OPERATIONAL_TYPES))
def test_it_becomes_an_own_event_about_the_endpoint(kind):
    record = received(kind, "acme", "ep_1", DATA, AT, "u")
    (event,) = normalize(record, Pointer("webhooks.received", 0, 5))
    assert (event.type, event.tenant, event.object_id, event.occurred_at) == (kind, "acme", "ep_1", AT)
    assert event.id == ids.event_id(record.id, kind, "ep_1")
    body = json.loads(render(event))
    assert body["data"] == DATA | {"endpoint_id": "ep_1", "tenant": "acme"}
    assert own.convert(record)[0].type == kind


def test_only_the_four_types_can_be_told():
    assert {FAILING, RECOVERED, DISABLED, EXHAUSTED} == OPERATIONAL_TYPES
    with pytest.raises(ValueError, match=r"order\.created is no operational event: want one of delivery\.exhausted"):
        received("order.created", "acme", "ep_1", {}, AT, "u")
