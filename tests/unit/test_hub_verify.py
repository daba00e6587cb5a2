"""The listener's verification against the reference library of Standard Webhooks."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from hub import verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"type":"order.created"}'


def signed(at: datetime | None = None) -> tuple[dict[str, str], int]:
    at = at or datetime.fromtimestamp(int(time.time()), UTC)
    stamp = int(at.timestamp())
    signature = Webhook(SECRET).sign("msg_1", at, BODY.decode())
    return {"webhook-id": "msg_1", "webhook-timestamp": str(stamp), "webhook-signature": signature}, stamp


def test_what_the_reference_library_signs_is_genuine():
    headers, now = signed()
    assert verify.why_not(headers, BODY, [SECRET], now) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"webhook-id": "msg_2"}, "no signature"),
        ({"webhook-id": ""}, "missing"),
        ({"webhook-signature": "v1,AAAA"}, "no signature"),
        ({"webhook-signature": "v1,ünicode"}, "no signature"),
        ({"webhook-timestamp": "soon"}, "webhook-timestamp"),
        ({"webhook-timestamp": "٣"}, "webhook-timestamp"),
    ],
)
def test_anything_changed_is_not(change, reason):
    headers, now = signed()
    assert reason in verify.why_not(headers | change, BODY, [SECRET], now)


def test_old_ones_and_other_secrets_are_not():
    headers, now = signed()
    assert "301" not in (verify.why_not(headers, BODY, [SECRET], now + 300) or "")
    assert "from now" in verify.why_not(headers, BODY, [SECRET], now + 301)
    assert verify.why_not(headers, BODY, [], now) is not None
    assert verify.why_not(headers, BODY, ["whsec_AAAA"], now) is not None
    assert verify.why_not(headers, BODY + b" ", [SECRET], now) is not None
