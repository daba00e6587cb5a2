"""Laws that all schemes obey: what `sign` makes is accepted, no change to it is, secrets rotate and expire."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hub.samples import GENERIC_OPTIONS, providers, sample, topics
from ingress.providers import PROFILES
from ingress.providers.profile import Refused, Request, Verified
from runtime.config import Secret

NOW = 1_795_000_000_000
WHSEC = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
CASES = [(p, t) for p in providers() for t in topics(p)]
# Headers whose every byte is signed or is the signature.
SIGNED = {
    "shopify": ("x-shopify-hmac-sha256",),
    "stripe": ("stripe-signature",),
    "easypost": ("x-hmac-signature",),
    "woocommerce": ("x-wc-webhook-signature",),
    "standard-webhooks": ("webhook-id", "webhook-timestamp", "webhook-signature"),
    "generic-hmac": ("x-signature", "x-timestamp"),
}


def signed(provider: str, topic: str | None = None, secret: str = WHSEC):
    headers, body = sample(provider, topic, secret=secret, now_ms=NOW)
    return Request(body, headers)


def profile(provider: str):
    return PROFILES[provider](GENERIC_OPTIONS if provider == "generic-hmac" else {})


def verify(provider: str, request: Request, *secrets: Secret, now_ms: int = NOW):
    return profile(provider).verify(request, secrets or (Secret("s1", WHSEC),), now_ms)


@pytest.mark.parametrize(("provider", "topic"), CASES)
def test_what_is_signed_is_accepted(provider, topic):
    assert verify(provider, signed(provider, topic)) == Verified("s1")


@pytest.mark.parametrize("provider", providers())
def test_each_active_secret_is_tried_and_the_match_named(provider):
    request = signed(provider)
    keys = Secret("new", OTHER), Secret("old", WHSEC, NOW + 1)
    assert verify(provider, request, *keys) == Verified("old")
    refused = verify(provider, request, *keys, now_ms=NOW + 1)
    assert isinstance(refused, Refused)
    assert refused.reason == "signature_mismatch"


@pytest.mark.parametrize("provider", providers())
@pytest.mark.parametrize("secrets", [(), (Secret("e", ""),), (Secret("b", "  "),), (Secret("x", WHSEC, NOW),)], ids=repr)
def test_without_a_usable_secret_nothing_is_accepted(provider, secrets):
    refused = profile(provider).verify(signed(provider), secrets, NOW)
    assert isinstance(refused, Refused)
    assert refused.reason == "no_secret"


@pytest.mark.parametrize("provider", providers())
@given(data=st.data())
def test_no_change_to_the_body_is_accepted(provider, data):
    request = signed(provider)
    changed = data.draw(_mutations(request.body))
    assert isinstance(verify(provider, Request(changed, request.headers)), Refused)


@pytest.mark.parametrize("provider", providers())
@given(data=st.data())
def test_no_change_to_what_is_signed_in_headers_is_accepted(provider, data):
    request = signed(provider)
    name = data.draw(st.sampled_from(SIGNED[provider]))
    value = request.headers[name]
    changed = data.draw(_mutations(value.encode("latin-1"))).decode("latin-1")
    if provider == "generic-hmac" and changed.lower() == value.lower():
        return  # hex digits of either case are the same signature
    outcome = verify(provider, Request(request.body, {**request.headers, name: changed}))
    assert isinstance(outcome, Refused) or _says_the_same(provider, name, value, changed)


def _says_the_same(provider: str, name: str, value: str, changed: str) -> bool:
    """Lists may hold more than the signature that counts: that one must still be there, whole."""
    separator = {"stripe-signature": ",", "webhook-signature": " "}.get(name)
    return separator is not None and set(value.split(separator)) <= set(changed.split(separator))


@st.composite
def _mutations(draw, original: bytes) -> bytes:
    """The bytes with one of them flipped, dropped, doubled or put in, or with an end cut off."""
    at = draw(st.integers(0, max(len(original) - 1, 0)))
    kind = draw(st.sampled_from(("flip", "drop", "double", "insert", "cut", "append")))
    byte = bytes([draw(st.integers(0, 255))])
    changed = {
        "flip": original[:at] + bytes([original[at] ^ (1 << draw(st.integers(0, 7)))]) + original[at + 1 :],
        "drop": original[:at] + original[at + 1 :],
        "double": original[:at] + original[at : at + 1] * 2 + original[at + 1 :],
        "insert": original[:at] + byte + original[at:],
        "cut": original[:at],
        "append": original + byte,
    }[kind]
    return changed if changed != original else original + b"x"


@pytest.mark.parametrize("provider", providers())
@given(
    headers=st.dictionaries(st.sampled_from([n for names in SIGNED.values() for n in names]), st.text(max_size=200)),
    body=st.binary(),
)
def test_anything_may_come_in_and_nothing_breaks(provider, headers, body):
    request = Request(body, {n: v.encode("utf-8", "replace").decode("latin-1") for n, v in headers.items()})
    assert not isinstance(verify(provider, request), Verified)
    profile(provider).identify(request)


@pytest.mark.parametrize(("provider", "lasts"), [("stripe", 300), ("standard-webhooks", 300), ("generic-hmac", 300)])
def test_a_signed_time_is_good_for_its_tolerance_on_both_sides(provider, lasts):
    request = signed(provider)
    for off in (-lasts, 0, lasts):
        assert verify(provider, request, now_ms=NOW + off * 1000) == Verified("s1")
    for off in (-lasts - 1, lasts + 1):
        assert verify(provider, request, now_ms=NOW + off * 1000).reason == "timestamp_stale"


def test_ed25519_signatures_are_accepted_from_the_owner_of_the_key():
    key = Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    public = "whpk_" + base64.b64encode(raw).decode()
    body, time = b'{"type":"a.b","data":{}}', str(NOW // 1000)
    signature = base64.b64encode(key.sign(f"m1.{time}.".encode() + body)).decode()
    headers = {"webhook-id": "m1", "webhook-timestamp": time, "webhook-signature": f"v1,AAAA v1a,{signature}"}
    assert verify("standard-webhooks", Request(body, headers), Secret("pk", public)) == Verified("pk")
    other = {**headers, "webhook-id": "m2"}
    assert verify("standard-webhooks", Request(body, other), Secret("pk", public)).reason == "signature_mismatch"
    # the public key is no secret: who knows it must not be able to sign v1 with it
    forged = profile("standard-webhooks").sign(Request(body, headers), "whsec_" + public[5:], NOW)
    assert verify("standard-webhooks", Request(body, headers | forged), Secret("pk", public)).reason == "signature_mismatch"


def test_a_broken_secret_matches_nothing_and_hides_no_other():
    request = signed("standard-webhooks")
    assert verify("standard-webhooks", request, Secret("bad", "whsec_%%%"), Secret("s1", WHSEC)) == Verified("s1")
