"""The body sent: Standard Webhooks, the same bytes whether the event was just made or read back."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.normalize import normalize
from processors.payload import render
from schemas.records import CustomEvent, OrderEvent
from tests.lab import fixed_codec
from tests.webhooks import HERE, shopify_order, stripe_payment, webhook

CODEC = fixed_codec()
AMOUNT = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=0, max_value=10**9).map(str) | st.integers(
    0, 10**9
)


def order(**body):
    (event,) = normalize(shopify_order(7, **body), HERE)
    return event


@settings(max_examples=60)
@given(total=AMOUNT, price=AMOUNT, currency=st.sampled_from(["EUR", "JPY", "KWD"]))
def test_an_event_read_back_from_its_topic_gives_the_same_bytes(total, price, currency):
    event = order(total_price=total, currency=currency, line_items=[{"id": 1, "quantity": 1, "price": price}])
    back = CODEC.decode(CODEC.encode(event), OrderEvent)
    assert (
        render(back)
        == render(event)
        == render(order(total_price=total, currency=currency, line_items=[{"id": 1, "quantity": 1, "price": price}]))
    )
    assert CODEC.encode(back) == CODEC.encode(event)


def test_it_is_a_standard_webhook_with_meta_beside_the_data():
    event = order()
    body = json.loads(render(event))
    assert list(body) == ["type", "timestamp", "data", "meta"]
    assert (body["type"], body["timestamp"]) == ("order.created", "2026-09-01T08:15:00.000Z")
    assert body["data"]["total"] == {"amount": "78.40", "currency": "EUR"}
    assert body["data"]["note"] == "order_no=7"
    assert body["meta"] == {
        "event_id": event.id, "source": "shop", "channel": "acme.myshopify.com", "object_id": "7", "sequence": event.sequence,
    }  # fmt: skip


def test_extra_is_json_in_json():
    event = order(note_attributes=[{"name": "a", "value": 1}], source_name="web")
    assert json.loads(render(event))["data"]["extra"] == {"note_attributes": [{"name": "a", "value": 1}], "source_name": "web"}


def test_the_order_of_extra_does_not_show():
    event = order(note_attributes=[1], source_name="web")
    turned = msgspec.structs.replace(event.data, extra=dict(reversed(event.data.extra.items())))
    assert render(msgspec.structs.replace(event, data=turned)) == render(event)


def test_an_amount_never_appears_with_an_exponent():
    assert json.loads(render(order(total_price="1E+3")))["data"]["total"]["amount"] == "1000.00"
    assert json.loads(render(order(total_price="0.000001")))["data"]["total"]["amount"] == "0.000001"


@pytest.mark.parametrize("data", [b'{"a" :  1.10}', b"null", '{"ü":"\u2028"}'.encode()])
def test_an_own_events_data_stands_there_byte_for_byte(data):
    (event,) = normalize(webhook("hookstream", "a.b", data), HERE)
    assert isinstance(event, CustomEvent)
    assert b'"data":%s,"meta":' % data in render(event)


def test_payments_and_times_are_shown():
    (event,) = normalize(stripe_payment(1, 7), HERE)
    body = json.loads(render(event))
    assert body["type"] == "payment.captured"
    assert body["data"]["captured"] == {"amount": "78.40", "currency": "EUR"}
    assert body["timestamp"] == "2026-09-01T08:16:40.000Z"
