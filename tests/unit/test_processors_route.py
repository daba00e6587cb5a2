"""Routing: who gets an event and why the others do not, without looking at ten thousand endpoints each time."""

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.normalize import normalize
from processors.payload import render
from processors.route import CACHED, REASONS, Index, Unrouted, covers, deliveries_for, mismatch, route, unrouted
from schemas import ids, operational
from schemas.operational import OPERATIONAL_TYPES
from schemas.records import EndpointConfig
from tests.webhooks import HERE, SHOP, shopify_order, webhook


def endpoint(name, types=("*",), **fields):
    values = {
        "tenant": "acme", "url": "https://x.example", "description": "", "channels": [], "headers": {}, "secrets": [], "timeout_s": 5.0,
        "max_in_flight": 8, "retry_schedule": [], "state": "active", "created_at": 0, "updated_at": 0,
    }  # fmt: skip
    return EndpointConfig(id=name, event_types=list(types), **{**values, **fields})


(ORDER,) = normalize(shopify_order(7), HERE)


@pytest.mark.parametrize(
    ("pattern", "event_type", "wanted"),
    [
        ("*", "order.created", True),
        ("order.*", "order.created", True),
        ("order.*", "order.line.added", True),
        ("order.*", "order", False),
        ("order.*", "orders.created", False),
        ("order.created", "order.created", True),
        ("order.created", "order.created.late", False),
        ("", "order.created", False),
        ("*", "endpoint.failing", False),
        ("*", "delivery.exhausted", False),
        ("*", "endpoint.moved", True),
        ("endpoint.*", "endpoint.failing", True),
        ("delivery.exhausted", "delivery.exhausted", True),
    ],
)
def test_what_a_subscription_covers(pattern, event_type, wanted):
    assert covers(pattern, event_type) is wanted


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (endpoint("e"), None),
        (endpoint("e", ["inventory.*", "order.created"]), None),
        (endpoint("e", channels=[SHOP]), None),
        (endpoint("e", state="paused"), None),
        (endpoint("e", state="disabled", state_reason="410 Gone"), "disabled: 410 Gone"),
        (endpoint("e", state="disabled"), "disabled"),
        (endpoint("e", state="disabled", disabled_by="person", state_reason="moved"), "disabled: moved"),
        (endpoint("e", state="disabled", disabled_by="hub", state_reason="410 Gone"), None),
        (endpoint("e", ["order.updated", "payment.*"]), "asks for order.updated, payment.*, not order.created"),
        (endpoint("e", []), "asks for no event type, not order.created"),
        (endpoint("e", channels=["other"]), f"asks for the channels other, not {SHOP}"),
    ],
)
def test_why_an_endpoint_does_not_match(config, words):
    assert mismatch(config, ORDER.type, ORDER.channel) == words
    found = route(ORDER, Index([config]))
    assert found == Unrouted("no_match", {"e": words}) if words else [d.endpoint_id for d in found] == ["e"]


def test_a_delivery_is_a_pure_function_of_event_and_endpoint():
    (one,) = route(ORDER, Index([endpoint("e")]))
    assert one.id == ids.delivery_id(ORDER.id, "e")
    assert one.webhook_id == ids.webhook_id(ORDER.id, "e")
    assert one.payload == render(ORDER)
    assert (one.object_key, one.sequence) == ("order/7", ORDER.sequence)
    assert (one.attempt, one.step, one.not_before, one.lane, one.queued_at) == (1, 0, 0, "live", ORDER.received_at)
    assert deliveries_for(ORDER, endpoint("e")) == one
    replayed = deliveries_for(ORDER, endpoint("e"), lane="replay", replay_id="rpl_1")
    assert replayed == msgspec.structs.replace(one, lane="replay", replay_id="rpl_1")


@pytest.mark.parametrize("kind", sorted(OPERATIONAL_TYPES))
def test_what_the_hub_tells_goes_to_who_asks_but_never_to_the_endpoint_it_is_about(kind):
    (event,) = normalize(operational.received(kind, "acme", "sick", {}, 1_764_000_000_000, "u"), HERE)
    asking = ["endpoint.*", "delivery.exhausted"]
    there = [endpoint("all"), endpoint("sick", asking), endpoint("watch", asking), endpoint("shop", asking, channels=[SHOP])]
    assert [d.endpoint_id for d in route(event, Index(there))] == ["shop", "watch"]
    assert route(event, Index(there[1:2])) == Unrouted("no_match", {"sick": "is the endpoint it is about"})
    assert route(event, Index(there[:1])) == Unrouted("no_match", {"all": f"asks for *, not {kind}"})


def test_another_tenants_endpoint_sees_nothing():
    assert route(ORDER, Index([endpoint("e", tenant="other")])) == Unrouted("no_endpoint", {})


def test_the_record_of_what_goes_nowhere_points_to_the_raw_one():
    record = unrouted(ORDER, Unrouted("no_match", {"e": "why"}))
    assert (record.id, record.type, record.object_id, record.reason, record.reasons) == (
        ORDER.id,
        ORDER.type,
        "7",
        "no_match",
        {"e": "why"},
    )
    assert (record.raw_topic, record.raw_partition, record.raw_offset) == (HERE.topic, HERE.partition, HERE.offset)


TYPES = st.sampled_from(["order.created", "order.updated", "inventory.updated", "a.b"])
PATTERNS = st.sampled_from(["*", "order.*", "order.created", "inventory.updated", "a.*", "b.*"])
ENDPOINTS = st.lists(
    st.builds(
        endpoint,
        st.integers(0, 50).map(str),
        st.lists(PATTERNS, max_size=2),
        tenant=st.sampled_from(["acme", "other"]),
        channels=st.lists(st.sampled_from(["src", "x"]), max_size=1),
        state=st.sampled_from(["active", "paused", "disabled"]),
    ),
    unique_by=lambda e: e.id,
    max_size=12,
)


@given(endpoints=ENDPOINTS, event_type=TYPES)
def test_the_index_answers_as_asking_each_endpoint_would(endpoints, event_type):
    (event,) = normalize(webhook("hookstream", event_type, b"{}"), HERE)
    index = Index(endpoints)
    for _ in range(2):
        found = route(event, index)
        there = [e for e in endpoints if e.tenant == "acme"]
        wanted = sorted(e.id for e in there if mismatch(e, event_type, "src") is None)
        if wanted:
            assert [d.endpoint_id for d in found] == wanted
        else:
            assert found.reason == ("no_match" if there else "no_endpoint")
            assert found.reasons.keys() == {e.id for e in there}


def test_ten_thousand_endpoints_are_looked_at_once():
    index = Index([endpoint(f"e{n:05}", [f"type{n}.*"]) for n in range(10_000)] + [endpoint("mine", ["order.*"])])
    assert [d.endpoint_id for d in route(ORDER, index)] == ["mine"]
    started = time.perf_counter()
    for _ in range(100):
        route(ORDER, index)
    assert time.perf_counter() - started < 0.5, "100 events took as long as if each endpoint were asked each time"


def test_of_thousands_that_do_not_match_some_are_told():
    found = Index([endpoint(f"e{n:05}", ["x"]) for n in range(5000)]).lookup("acme", "order.created", SHOP)
    assert len(found.reasons) == REASONS + 1
    assert found.reasons["…"] == "and 4900 more endpoints"


def test_answers_kept_do_not_grow_without_end():
    index = Index([endpoint("e")])
    for number in range(CACHED + 10):
        index.lookup("acme", f"type{number}", "c")
    assert len(index._answers) <= CACHED
