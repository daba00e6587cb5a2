"""Samples: never the same webhook twice unless asked, values replaced by name, sums that fit, events that are understood."""

from __future__ import annotations

import json

import pytest

from hub.samples import GENERIC_OPTIONS, providers, sample, topics
from ingress.providers import PROFILES
from ingress.providers.profile import Request
from processors.normalize import Pointer, normalize
from schemas.records import WebhookReceived

NOW = 1_795_000_000_123
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CASES = [(p, t) for p in providers() for t in topics(p)]


def make(provider: str, topic: str | None = None, **values: object):
    return sample(provider, topic, secret=SECRET, now_ms=NOW, **values)


def identify(provider: str, topic: str | None = None, **values: object):
    headers, body = make(provider, topic, **values)
    return PROFILES[provider](GENERIC_OPTIONS if provider == "generic-hmac" else {}).identify(Request(body, headers))


@pytest.mark.parametrize(("provider", "topic"), CASES)
def test_two_samples_are_two_webhooks_about_two_objects(provider, topic):
    one, two = identify(provider, topic), identify(provider, topic)
    assert one.topic == topic
    assert None not in (one.delivery, one.object)
    assert one.delivery != two.delivery
    assert one.object != two.object


@pytest.mark.parametrize("provider", providers())
def test_a_repeat_can_be_asked_for(provider):
    assert identify(provider, delivery_id="again").delivery == "again"


@pytest.mark.parametrize(("provider", "topic"), CASES)
def test_every_sample_makes_an_event_of_the_object_that_keys_it(provider, topic):
    headers, body = make(provider, topic)
    about = PROFILES[provider](GENERIC_OPTIONS if provider == "generic-hmac" else {}).identify(Request(body, headers))
    record = WebhookReceived(
        id="rcv_1", tenant="t", source="s", provider=provider, provider_id=about.delivery, topic=about.topic, account=about.account,
        object_id=about.object, headers={}, body=body, content_type="application/json", received_at=NOW, verified_by="s1",
    )  # fmt: skip
    events = normalize(record, Pointer("webhooks.received", 0, 0))
    assert isinstance(events, list)
    assert {e.object_id for e in events} == {about.object}


def test_an_order_and_its_payment_meet_and_their_sums_fit():
    order = json.loads(make("shopify", "orders/create", order_id=77, price="19.99", quantity=3, currency="USD")[1])
    payment = json.loads(make("stripe", "payment_intent.succeeded", order_id=77, price="19.99", quantity=3, currency="USD")[1])
    paid = payment["data"]["object"]
    assert order["total_price"] == order["total_outstanding"] == "64.87"
    assert (paid["amount_received"], paid["currency"], paid["metadata"]) == (6487, "usd", {"order_id": 77})
    yen = json.loads(make("stripe", "payment_intent.succeeded", total="1200", currency="JPY")[1])["data"]["object"]
    assert yen["amount"] == 1200


def test_values_keep_their_type_alone_and_become_text_within_text():
    body = json.loads(make("shopify", "inventory_levels/update", inventory_item_id=5, location_id=6, available=0)[1])
    assert (body["inventory_item_id"], body["location_id"], body["available"]) == (5, 6, 0)
    assert body["admin_graphql_api_id"] == "gid://shopify/InventoryLevel/6?inventory_item_id=5"


def test_a_body_of_ones_own_is_signed_as_it_is():
    headers, body = make("shopify", "orders/create", body=b"anything")
    assert body == b"anything"
    assert headers["x-shopify-hmac-sha256"]


@pytest.mark.parametrize(
    ("provider", "topic", "values", "says"),
    [
        ("shopfy", None, {}, "use one of shopify, stripe"),
        ("shopify", "orders/eaten", {}, "use one of orders/create"),
        ("shopify", "orders/create", {"colour": "red"}, "have no colour: there are"),
    ],
)
def test_a_mistake_names_what_there_is(provider, topic, values, says):
    with pytest.raises(ValueError, match=says):
        make(provider, topic, **values)


def test_providers_without_fixed_topics_take_any():
    assert identify("standard-webhooks", "anything.at_all").topic == "anything.at_all"
    assert identify("generic-hmac", "anything.at_all").topic == "anything.at_all"


def test_a_generic_sample_fits_the_options_of_its_source():
    options = {"header": "X-Sig", "id_field": "meta.delivery", "topic_field": "kind", "object_field": "thing.ref"}
    headers, body = make("generic-hmac", "a.b", options=options, delivery_id="d", object_id="o")
    about = PROFILES["generic-hmac"](options).identify(Request(body, headers))
    assert (about.delivery, about.topic, about.object) == ("d", "a.b", "o")
