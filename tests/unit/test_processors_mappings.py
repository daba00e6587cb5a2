"""Every mapping: golden webhooks, real samples of the providers where they lie at hand, and bodies of any kind."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.facts import fact
from processors.normalize import MappingError, Pointer, Unmapped, normalize
from processors.payload import render
from schemas import ids
from schemas.providers import API_PROVIDER, OCCURRED_AT, PROVIDERS
from schemas.records import CustomEvent
from tests.lab import fixed_codec
from tests.webhooks import AT, HERE, webhook

GOLDEN = sorted((Path(__file__).parents[1] / "golden" / "processors").glob("*.json"))
SAMPLES = Path(__file__).parents[3] / "shared" / "providers" / "payloads"
CODEC = fixed_codec()
KNOWN = ("order", "inventory", "shipment", "payment")


def events_of(provider, topic, body, **fields):
    return normalize(webhook(provider, topic, body, **fields), HERE)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_golden(path):
    case = json.loads(path.read_text())
    events = events_of(case["provider"], case["topic"], case["body"], account=case["account"], id="rcv_golden")
    assert [json.loads(render(e)) for e in events] == case["sent"]
    for event in events:
        assert CODEC.decode(CODEC.encode(event), type(event)) == event
        assert (event.raw_topic, event.raw_partition, event.raw_offset) == (HERE.topic, HERE.partition, HERE.offset)
        assert event.sequence == event.occurred_at


def samples():
    names = ("shopify", "stripe", "easypost", "woocommerce")
    found = [p for name in names for p in sorted((SAMPLES / name).glob("*.json")) if not p.name.endswith(".headers.json")]
    return found or [pytest.param(None, id="no samples at hand: golden webhooks alone were checked")]


@pytest.mark.parametrize("path", samples(), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_every_sample_of_a_provider_is_mapped_or_known_not_to_be(path):
    if path is None:
        return
    body = path.read_bytes()
    headers = path.with_suffix(".headers.json")
    told = json.loads(headers.read_text()) if headers.exists() else {}
    fields = json.loads(body)
    topic = {
        "shopify": told.get("x-shopify-topic", path.stem.replace(".", "/")),
        "stripe": fields.get("type"),
        "easypost": fields.get("description"),
        "woocommerce": told.get("x-wc-webhook-topic", path.stem),
    }[path.parent.name]
    found = events_of(path.parent.name, topic, body)
    if isinstance(found, Unmapped):
        assert not topic.replace("/", ".").startswith(("orders.", "order.", "payment_intent.", "tracker.", "fulfillments."))
        return
    assert found
    for event in found:
        assert event.type.split(".")[0] in KNOWN
        json.loads(render(event))
        assert CODEC.decode(CODEC.encode(event), type(event)).object_id == event.object_id


@pytest.mark.parametrize(
    ("topic", "change", "words"),
    [
        ("orders/create", {"id": None}, "id is missing"),
        ("orders/create", {"total_price": None}, "total_price: None is no amount"),
        ("orders/create", {"total_price": "lots"}, "total_price: 'lots' is no amount"),
        ("orders/create", {"currency": "EURO"}, "total_price: 'EURO' is no currency"),
        ("orders/create", {"note": 5}, r"got `int` - at `\$.note`"),
        ("orders/create", {"updated_at": "soon"}, "updated_at: 'soon' is no time"),
        ("orders/create", {"line_items": [{"id": 1, "price": "x"}]}, r"line_items\[0\].price: 'x' is no amount"),
        ("orders/create", {"line_items": [{"price": "1"}]}, r"line_items\[0\].id is missing"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(topic, change, words):
    body = {"id": 1, "currency": "EUR", "total_price": "1.00", "updated_at": "2026-09-01T00:00:00Z"} | change
    with pytest.raises(MappingError, match=words) as failure:
        events_of("shopify", topic, body)
    assert failure.value.cause == "mapping_failed"


NO_JSON = [b"", b"{", b"\xff", b'{"a":' + b"[" * 100_000]
MAPPED_TOPIC = {
    "shopify": "orders/create",
    "stripe": "charge.succeeded",
    "easypost": "tracker.updated",
    "woocommerce": "order.created",
}


@pytest.mark.parametrize("body", NO_JSON, ids=lambda b: b[:10].decode(errors="replace"))
@pytest.mark.parametrize("provider", [*PROVIDERS, API_PROVIDER])
def test_what_is_no_json_is_said_to_be_none(provider, body):
    with pytest.raises(MappingError) as failure:
        events_of(provider, MAPPED_TOPIC.get(provider, "a.b"), body)
    assert failure.value.cause == "bad_json"


@pytest.mark.parametrize("note", [b"\xff", b"\\ud800"])
def test_text_that_is_none_is_no_json(note):
    with pytest.raises(MappingError, match="no JSON") as failure:
        events_of("shopify", "orders/create", b'{"id":1,"note":"%s"}' % note)
    assert failure.value.cause == "bad_json"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["id", "order_id", "currency", "total_price", "line_items", "data", "object", "result", "status", "created", "created_at",
     "updated_at", "amount", "transactions", "customer", "tags", "type", "payment_intent", "metadata", "tracking_details", "price"]
)  # fmt: skip
TOPICS = {
    "shopify": ["orders/create", "orders/paid", "orders/edited", "orders/delete", "order_transactions/create", "refunds/create",
                "inventory_levels/update", "fulfillments/update", "fulfillment_events/create"],
    "stripe": ["payment_intent.succeeded", "charge.refunded", "charge.dispute.created", "checkout.session.completed"],
    "easypost": ["tracker.updated"],
    "woocommerce": ["order.created", "order.deleted"],
    "standard-webhooks": ["a.b", "unknown"],
    "generic-hmac": ["a.b", "unknown"],
    API_PROVIDER: ["a.b"],
}  # fmt: skip


@given(data=st.data(), provider=st.sampled_from(sorted(TOPICS)))
def test_any_json_is_mapped_or_refused_and_never_crashes(data, provider):
    topic = data.draw(st.sampled_from(TOPICS[provider]))
    inner = st.dictionaries(FIELDS, JSON | st.dictionaries(FIELDS, JSON, max_size=4), max_size=6)
    body = data.draw(
        inner | st.fixed_dictionaries({"data": st.fixed_dictionaries({"object": inner}), "result": inner, "type": JSON}) | JSON
    )
    try:
        found = events_of(provider, topic, body)
    except MappingError:
        return
    for event in [] if isinstance(found, Unmapped) else found:
        json.loads(render(event))
        CODEC.encode(event)
        told = fact(event)
        if told:
            CODEC.encode(told)


def test_a_provider_nobody_knows_is_unmapped():
    assert events_of("mystery", "a.b", {}) == Unmapped("a.b")


def test_big_numbers_stay_exact():
    order = {"id": 2**63 + 1, "currency": "EUR", "total_price": 12345678901234567.89, "updated_at": None}
    text = json.dumps(order).replace("1.2345678901234568e+16", "12345678901234567.89")
    (event,) = events_of("shopify", "orders/create", text.encode())
    assert event.object_id == str(2**63 + 1)
    assert str(event.data.total.amount) == "12345678901234567.89"


def test_without_a_time_of_its_own_it_happened_when_it_was_received():
    (event,) = events_of("shopify", "orders/create", {"id": 1, "currency": "EUR", "total_price": "1"})
    assert event.occurred_at == event.received_at == AT


class TestStripe:
    def test_charge_session_and_intent_of_one_payment_are_one_object(self):
        common = {
            "currency": "eur",
            "payment_intent": "pi_1",
            "amount_captured": 100,
            "captured": True,
            "payment_status": "paid",
            "amount_total": 100,
        }
        objects = (
            ("charge.succeeded", {"id": "ch_1", "amount": 100, **common}),
            ("checkout.session.completed", {"id": "cs_1", **common}),
            ("payment_intent.succeeded", {"id": "pi_1", "currency": "eur", "amount": 100, "amount_received": 100}),
            ("charge.dispute.created", {"id": "dp_1", "currency": "eur", "payment_intent": {"id": "pi_1"}, "charge": "ch_1"}),
        )
        for topic, found in objects:
            (event,) = events_of("stripe", topic, {"type": topic, "data": {"object": found}})
            assert event.object_id == event.data.id == "pi_1", topic

    @pytest.mark.parametrize(
        ("reference", "wanted"),
        [
            ({"metadata": {"order_id": "A"}}, "A"),
            ({"metadata": {"order_ref": 7}}, "7"),
            ({"client_reference_id": "C"}, "C"),
            ({"metadata": {"order_id": "A"}, "client_reference_id": "C"}, "A"),
            ({}, None),
        ],
    )
    def test_where_the_order_stands(self, reference, wanted):
        found = {"id": "pi", "currency": "eur", "amount": 1, "amount_received": 1, **reference}
        (event,) = events_of("stripe", "payment_intent.succeeded", {"type": "x", "data": {"object": found}})
        assert event.data.order_id == wanted
        assert (fact(event) is not None) is (wanted is not None)

    def test_an_uncaptured_charge_is_authorized(self):
        found = {"id": "ch", "currency": "eur", "amount": 100, "amount_captured": 0, "captured": False}
        (event,) = events_of("stripe", "charge.succeeded", {"type": "x", "data": {"object": found}})
        assert (event.type, event.data.status, event.data.captured) == ("payment.authorized", "authorized", None)

    def test_an_unpaid_session_is_no_payment_yet(self):
        body = {"type": "x", "data": {"object": {"id": "cs", "payment_status": "unpaid"}}}
        assert isinstance(events_of("stripe", "checkout.session.completed", body), Unmapped)


class TestShopifyPayments:
    def test_captures_of_one_order_share_the_object_but_count_for_themselves(self):
        body = {"order_id": 9, "kind": "capture", "status": "success", "amount": "5", "currency": "EUR"}
        (one,) = events_of("shopify", "order_transactions/create", {"id": 1, **body})
        (two,) = events_of("shopify", "order_transactions/create", {"id": 2, **body})
        assert one.object_id == two.object_id == "9"
        assert [fact(e).payment_id for e in (one, two)] == ["1", "2"]

    @pytest.mark.parametrize(
        ("kind", "status", "wanted"),
        [
            ("authorization", "success", "payment.authorized"),
            ("sale", "success", "payment.captured"),
            ("refund", "success", "payment.refunded"),
            ("void", "success", "payment.failed"),
            ("sale", "failure", "payment.failed"),
            ("capture", "pending", None),
            ("change", "success", None),
        ],
    )
    def test_kind_and_status_say_what_it_is(self, kind, status, wanted):
        body = {"id": 1, "order_id": 9, "kind": kind, "status": status, "amount": "5", "currency": "EUR"}
        found = events_of("shopify", "order_transactions/create", body)
        assert (None if isinstance(found, Unmapped) else found[0].type) == wanted

    def test_a_thin_order_tells_the_workflow_only_that_it_is_cancelled(self):
        (edited,) = events_of("shopify", "orders/edited", {"order_edit": {"order_id": 9}})
        (deleted,) = events_of("shopify", "orders/delete", {"id": 9})
        assert fact(edited) is None
        assert fact(deleted).order.data.status == "cancelled"


class TestWooCommerce:
    @pytest.mark.parametrize(
        ("topic", "status", "wanted"),
        [
            ("order.created", "completed", "order.created"),
            ("order.updated", "processing", "order.updated"),
            ("order.updated", "cancelled", "order.cancelled"),
            ("order.updated", "completed", "order.fulfilled"),
            ("order.updated", "refunded", "order.refunded"),
            ("order.restored", "pending", "order.updated"),
        ],
    )
    def test_the_status_says_what_an_update_is(self, topic, status, wanted):
        (event,) = events_of("woocommerce", topic, {"id": 1, "currency": "EUR", "total": "1", "status": status})
        assert event.type == wanted


class TestOwn:
    @pytest.mark.parametrize(
        "data", [b'{ "a" : 1.10, "b":[ ] }', b'"text"', b"null", b'{"data":{"x":1},"type":"other"}', b"[1, 2]"]
    )
    def test_data_is_passed_on_byte_for_byte(self, data):
        (own,) = events_of(API_PROVIDER, "a.b", data, object_id="k")
        (bare,) = events_of("generic-hmac", "a.b", data)
        (enveloped,) = events_of("standard-webhooks", "a.b", b'{"type":"a.b","data":%s}' % data)
        assert own.data == bare.data == enveloped.data == data
        assert all(isinstance(e, CustomEvent) and e.type == "a.b" for e in (own, bare, enveloped))
        assert own.object_id == "k"

    def test_what_came_through_the_api_is_never_opened_a_second_time(self):
        data = b'{"type":"a.b","data":{"x":1}}'
        (event,) = events_of(API_PROVIDER, "a.b", data)
        assert event.data == data

    def test_the_publisher_says_when_it_happened(self):
        (event,) = events_of(API_PROVIDER, "a.b", b"{}", headers={OCCURRED_AT: "1788250600123"})
        assert event.occurred_at == 1788250600123
        (event,) = events_of(API_PROVIDER, "a.b", b"{}", headers={OCCURRED_AT: "-5"})
        assert event.occurred_at == AT

    def test_a_topic_nobody_told_is_the_bodys_type(self):
        (event,) = events_of("generic-hmac", "unknown", {"type": "x.y", "data": 1})
        assert (event.type, event.data) == ("x.y", b"1")
        with pytest.raises(MappingError, match="type is missing"):
            events_of("generic-hmac", "unknown", {"data": 1})

    def test_a_byte_order_mark_is_not_data(self):
        (event,) = events_of("generic-hmac", "a.b", b'\xef\xbb\xbf{"x":1}')
        assert event.data == b'{"x":1}'


def test_ids_come_from_the_record_alone():
    body = {"id": 1, "currency": "EUR", "total_price": "1"}
    (one,) = events_of("shopify", "orders/create", body)
    (moved,) = normalize(webhook("shopify", "orders/create", body), Pointer("elsewhere", 5, 6))
    assert one.id == moved.id == ids.event_id("rcv_1", "order.created", "1")


def test_what_does_not_fit_elsewhere_is_kept_as_json_and_bounded():
    order = {
        "id": 1,
        "currency": "EUR",
        "total_price": "1",
        "source_name": "web",
        "note_attributes": [{"v": "x" * 5000}],
        "test": None,
    }
    (event,) = events_of("shopify", "orders/create", order)
    kept = {name: msgspec.json.decode(text) for name, text in event.data.extra.items()}
    assert kept["source_name"] == "web"
    assert "see the raw webhook" in kept["note_attributes"]
    assert "test" not in kept
