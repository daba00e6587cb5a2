"""Signatures against independent implementations: the reference library for v1, `cryptography` alone for v1a."""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from delivery import sign
from runtime import signing

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "signatures.json").read_text())


def headers(secrets: list[str], body: bytes) -> dict[str, str]:
    timestamp = int(datetime.now(UTC).timestamp())
    signers = [sign.signer(s) for s in secrets]
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign.signature(signers, "msg_1", timestamp, body),
    }


def verify_v1a(public: str, sent: dict[str, str], body: bytes) -> None:
    """As a receiver would that knows nothing of our code."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    content = f"{sent['webhook-id']}.{sent['webhook-timestamp']}.".encode() + body
    ours = [s.removeprefix("v1a,") for s in sent["webhook-signature"].split(" ") if s.startswith("v1a,")]
    assert ours
    for text in ours:
        try:
            key.verify(base64.b64decode(text, validate=True), content)
        except InvalidSignature:
            continue
        return
    raise InvalidSignature


def test_the_reference_library_verifies():
    key, body = signing.new_secret(), b'{"type":"order.created","data":{"n":"\xc3\xa9"}}'
    assert Webhook(key).verify(body, headers([key], body))["type"] == "order.created"


def test_both_secrets_verify_during_a_rotation():
    old, new, body = signing.new_secret(), signing.new_secret(), b"{}"
    sent = headers([new, old], body)
    Webhook(old).verify(body, sent)
    Webhook(new).verify(body, sent)


def test_a_changed_body_does_not_verify():
    key = signing.new_secret()
    with pytest.raises(WebhookVerificationError):
        Webhook(key).verify(b'{"a":2}', headers([key], b'{"a":1}'))


def test_v1a_verifies_by_its_public_key_alone():
    key, body = signing.new_secret("v1a"), b'{"a":1}'
    sent = headers([key], body)
    verify_v1a(signing.public_key(key), sent, body)
    with pytest.raises(InvalidSignature):
        verify_v1a(signing.public_key(key), sent, b'{"a":2}')
    with pytest.raises(InvalidSignature):
        verify_v1a(signing.public_key(signing.new_secret("v1a")), sent, body)


def test_while_an_endpoint_changes_kind_both_kinds_verify():
    old, new, body = signing.new_secret(), signing.new_secret("v1a"), b"{}"
    sent = headers([new, old], body)
    assert [s.split(",")[0] for s in sent["webhook-signature"].split(" ")] == ["v1a", "v1"]
    Webhook(old).verify(body, sent)
    verify_v1a(signing.public_key(new), sent, body)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_vectors(vector):
    signers = [sign.signer(s) for s in vector["secrets"]]
    made = sign.signature(signers, vector["id"], vector["timestamp"], base64.b64decode(vector["body"]))
    assert made == vector["signature"]


def test_the_seed_alone_is_the_same_key():
    seed = os.urandom(32)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    short, whole = (signing.PRIVATE + base64.b64encode(key).decode() for key in (seed, seed + public))
    assert sign.signer(short)(b"x") == sign.signer(whole)(b"x")
    assert signing.public_key(short) == "whpk_" + base64.b64encode(public).decode()


def test_new_secrets_are_as_the_specification_writes_them():
    assert len(base64.b64decode(signing.new_secret().removeprefix("whsec_"), validate=True)) == 32
    assert len(base64.b64decode(signing.new_secret("v1a").removeprefix("whsk_"), validate=True)) == 64
    assert signing.new_secret() != signing.new_secret()
    with pytest.raises(ValueError, match="use v1 or v1a"):
        signing.new_secret("v2")


BAD = [
    "",
    "whsec_",
    "whsec_%%%",
    "whsec_abc",
    "whsec_é",
    "whsk_",
    "whsk_AAAA",
    "whsk_%%%",
    "whsk_" + base64.b64encode(bytes(64)).decode(),
]


@pytest.mark.parametrize("bad", BAD)
def test_an_unusable_secret_is_refused_in_words_without_being_shown(bad):
    with pytest.raises(ValueError, match="signing secret") as e:
        sign.signer(bad)
    tail = bad.partition("_")[2]
    assert not tail or tail not in str(e.value)
    assert e.value.__cause__ is None
