"""Validly signed sample webhooks of every provider: for `hub send`, the demo, and the tools that put the hub under load.

A sample is a JSON template of ours in hub/templates with its `$variables` filled in: a string that is one variable takes
the variable's value whatever its type, one within other text its text. Every call makes ids of its own, so that no two
samples are the same webhook; give an id to say "the same again". Shopify's orders and Stripe's payments meet by `order_id`.
"""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import TYPE_CHECKING, Final

from hub.sample_values import INPUTS, Values, names, render, values_of
from ingress.providers import PROFILES
from ingress.providers.profile import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_UNPAID: Final = {"financial_status": "pending"}
_PAID: Final = {"financial_status": "paid"}
_WOO: Final = "lindqvist-garn.example"
_INTENT: Final = "stripe/payment_intent"

_TOPICS: Final[dict[str, dict[str, tuple[str, Values]]]] = {
    "shopify": {
        "orders/create": ("shopify/order", {**_UNPAID, "age_s": 0}),
        "orders/updated": ("shopify/order", _UNPAID),
        "orders/paid": ("shopify/order", _PAID),
        "orders/cancelled": ("shopify/order", {"financial_status": "voided", "cancel_reason": "customer", "cancelled": True}),
        "orders/fulfilled": ("shopify/order", {**_PAID, "fulfillment_status": "fulfilled"}),
        "inventory_levels/update": ("shopify/inventory_level", {}),
        "fulfillments/create": ("shopify/fulfillment", {"age_s": 0}),
        "fulfillments/update": ("shopify/fulfillment", {"shipment_status": "in_transit"}),
        "refunds/create": ("shopify/refund", {}),
    },
    "stripe": {
        "payment_intent.succeeded": (_INTENT, {"status": "succeeded"}),
        "payment_intent.amount_capturable_updated": (_INTENT, {"status": "requires_capture", "received": False}),
        "payment_intent.payment_failed": (
            _INTENT,
            {
                "status": "requires_payment_method",
                "received": False,
                "last_payment_error": {
                    "type": "card_error",
                    "code": "card_declined",
                    "decline_code": "insufficient_funds",
                    "message": "The card has insufficient funds.",
                },
            },
        ),
        "charge.succeeded": ("stripe/charge", {"refunded": False}),
        "charge.refunded": ("stripe/charge", {"refunded": True}),
        "charge.dispute.created": ("stripe/dispute", {}),
    },
    "easypost": {
        "tracker.created": ("easypost/tracker", {"status": "pre_transit", "status_detail": "label_created", "age_s": 0}),
        "tracker.updated": ("easypost/tracker", {"status": "in_transit"}),
    },
    "woocommerce": {
        "order.created": ("woocommerce/order", {"status": "processing", "shop": _WOO, "age_s": 0}),
        "order.updated": ("woocommerce/order", {"status": "completed", "shop": _WOO}),
    },
    "standard-webhooks": {"loyalty.points_earned": ("standard-webhooks/event", {})},
    "generic-hmac": {"stock.counted": ("generic-hmac/event", {})},
}
_ANY_TOPIC: Final = frozenset({"standard-webhooks", "generic-hmac"})
GENERIC_OPTIONS: Final[Mapping[str, str]] = {
    "header": "x-signature",
    "prefix": "sha256=",
    "timestamp_header": "x-timestamp",
    "id_header": "x-delivery-id",
    "topic_field": "event",
    "object_field": "id",
}
"""Options of a generic-hmac source that the samples fit when none are given."""


def providers() -> tuple[str, ...]:
    """Providers that have samples: all."""
    return tuple(_TOPICS)


def topics(provider: str) -> tuple[str, ...]:
    """Topics with a sample, the provider's main one first."""
    return tuple(_TOPICS[provider])


def sample(
    provider: str,
    topic: str | None = None,
    *,
    secret: str,
    now_ms: int,
    options: Mapping[str, str] | None = None,
    external_url: str | None = None,
    body: bytes | None = None,
    **values: object,
) -> tuple[dict[str, str], bytes]:
    """Headers (lower-case names) and body of a signed webhook.

    `values` replace variables of the template, such as order_id, sku or available. `body` replaces the whole body.
    Raises ValueError naming the provider, topic or variable that does not exist, and those that do.
    """
    kind, (template, defaults) = _choose(provider, topic)
    filled = values_of(values, defaults, topic=kind, now_ms=now_ms, provider=provider)
    chosen = options if options is not None else GENERIC_OPTIONS if provider == "generic-hmac" else {}
    if body is None:
        text = _template(template)
        _refuse_unknown(values, text, provider)
        content = render(json.loads(text), filled)
        _put_fields(content, chosen, filled)
        body = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    headers = {"content-type": "application/json", "user-agent": "hookstream-sample/1", **_HEADERS[provider](filled, chosen)}
    signed = Request(body, headers, "POST", external_url)
    return headers | PROFILES[provider](chosen).sign(signed, secret, now_ms), body


def _choose(provider: str, topic: str | None) -> tuple[str, tuple[str, Values]]:
    found = _TOPICS.get(provider)
    if found is None:
        raise ValueError(f"provider {provider!r} has no samples: use one of {', '.join(_TOPICS)}")
    if topic is None:
        return next(iter(found.items()))
    if topic not in found and provider in _ANY_TOPIC:
        return topic, next(iter(found.values()))
    if topic not in found:
        raise ValueError(f"topic {topic!r} of {provider} has no sample: use one of {', '.join(found)}")
    return topic, found[topic]


@functools.cache
def _template(name: str) -> str:
    return (resources.files("hub") / "templates" / f"{name}.json").read_text()


def _refuse_unknown(values: Mapping[str, object], text: str, provider: str) -> None:
    known = {*names(text), *INPUTS, *_IN_HEADERS[provider]}
    unknown = values.keys() - known
    if unknown:
        raise ValueError(f"{provider} samples have no {', '.join(sorted(unknown))}: there are {', '.join(sorted(known))}")


_IN_HEADERS: Final = {
    **dict.fromkeys(_TOPICS, ("delivery_id",)),
    "shopify": ("delivery_id", "shop"),
    "woocommerce": ("delivery_id", "shop"),
}


def _shopify_headers(v: Values, _: Mapping[str, str]) -> dict[str, str]:
    return {
        "x-shopify-topic": str(v["topic"]),
        "x-shopify-shop-domain": str(v["shop"]),
        "x-shopify-webhook-id": str(v["delivery_id"]),
        "x-shopify-api-version": "2026-10",
        "x-shopify-triggered-at": str(v["now"]),
    }


def _woocommerce_headers(v: Values, _: Mapping[str, str]) -> dict[str, str]:
    resource, event = str(v["topic"]).split(".", 1)
    return {
        "x-wc-webhook-topic": str(v["topic"]),
        "x-wc-webhook-resource": resource,
        "x-wc-webhook-event": event,
        "x-wc-webhook-source": f"https://{v['shop']}/",
        "x-wc-webhook-id": "11",
        "x-wc-webhook-delivery-id": str(v["delivery_id"]),
    }


def _put_fields(content: Values, options: Mapping[str, str], v: Values) -> None:
    """Id, topic and object where the options of a generic-hmac source look for them."""
    for option, value in (("id_field", v["delivery_id"]), ("topic_field", v["topic"]), ("object_field", v["object_id"])):
        if option in options:
            *outer, last = options[option].split(".")
            node = content
            for key in outer:
                if not isinstance(node.get(key), dict):
                    node[key] = {}
                node = node[key]
            node[last] = value


def _generic_headers(v: Values, options: Mapping[str, str]) -> dict[str, str]:
    named = {options.get("id_header"): v["delivery_id"], options.get("topic_header"): v["topic"]}
    return {name.lower(): str(value) for name, value in named.items() if name}


_HEADERS: Final[dict[str, Callable[[Values, Mapping[str, str]], dict[str, str]]]] = {
    "shopify": _shopify_headers,
    "stripe": lambda _, __: {},
    "easypost": lambda _, __: {},
    "woocommerce": _woocommerce_headers,
    "standard-webhooks": lambda v, _: {"webhook-id": str(v["delivery_id"])},
    "generic-hmac": _generic_headers,
}
