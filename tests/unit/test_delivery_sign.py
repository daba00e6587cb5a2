"""Signatures against the reference library of Standard Webhooks, an independent implementation."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from delivery import sign


def secret() -> str:
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


def headers(secrets: list[str], body: bytes) -> dict[str, str]:
    timestamp = int(datetime.now(UTC).timestamp())
    keys = [sign.key_bytes(s) for s in secrets]
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign.signature(keys, "msg_1", timestamp, body),
    }


def test_the_reference_library_verifies():
    key, body = secret(), b'{"type":"order.created","data":{"n":"\xc3\xa9"}}'
    assert Webhook(key).verify(body, headers([key], body))["type"] == "order.created"


def test_both_secrets_verify_during_a_rotation():
    old, new, body = secret(), secret(), b"{}"
    sent = headers([new, old], body)
    Webhook(old).verify(body, sent)
    Webhook(new).verify(body, sent)


def test_a_changed_body_does_not_verify():
    key = secret()
    with pytest.raises(WebhookVerificationError):
        Webhook(key).verify(b'{"a":2}', headers([key], b'{"a":1}'))


@pytest.mark.parametrize("bad", ["", "whsec_", "whsec_%%%", "whsec_abc"])
def test_an_unusable_secret_is_refused_in_words(bad):
    with pytest.raises(ValueError, match="signing secret"):
        sign.key_bytes(bad)
