"""Signing secrets: of the shape Standard Webhooks names, each its own, the public key belonging to the private one."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from runtime.signing import kind_of, new_secret, public_key


def test_a_shared_secret_is_32_bytes_and_its_own():
    first, second = new_secret("v1"), new_secret("v1")
    assert first != second
    assert len(base64.b64decode(first.removeprefix("whsec_"), validate=True)) == 32
    assert kind_of(first) == "v1"
    with pytest.raises(ValueError, match="whsk_"):
        public_key(first)


def test_a_public_key_verifies_what_the_private_one_signs():
    secret = new_secret("v1a")
    assert kind_of(secret) == "v1a"
    key = base64.b64decode(secret.removeprefix("whsk_"), validate=True)
    assert len(key) == 64
    signed = Ed25519PrivateKey.from_private_bytes(key[:32]).sign(b"x")
    public = base64.b64decode(public_key(secret).removeprefix("whpk_"), validate=True)
    Ed25519PublicKey.from_public_bytes(public).verify(signed, b"x")  # raises when it does not fit


def test_what_is_no_secret_of_ours_is_named():
    with pytest.raises(ValueError, match="base64 of 32 or 64 bytes"):
        public_key("whsk_" + base64.b64encode(b"abc").decode())
    with pytest.raises(ValueError, match="use v1 or v1a"):
        new_secret("v2")
