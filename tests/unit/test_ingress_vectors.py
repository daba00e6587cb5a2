"""Every signature vector through the profile it is for: ours (made with openssl and standardwebhooks), and published ones."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from ingress.providers import PROFILES
from ingress.providers.profile import Handshake, Request, Verified
from runtime.config import Secret

ROOT = Path(__file__).resolve().parents[2]
OWN = json.loads((ROOT / "tests/vectors/ingress.json").read_text())
PUBLISHED = ROOT.parent / "shared/providers/vectors"
SCHEMES = {
    "shopify": ("shopify", {}),
    "stripe-v1": ("stripe", {}),
    "easypost-v1": ("easypost", {}),
    "woocommerce": ("woocommerce", {}),
    "standard-webhooks": ("standard-webhooks", {}),
    "standard-webhooks-v1a": ("standard-webhooks", {}),
    "svix": ("standard-webhooks", {}),
    "x-hub-signature-256": ("generic-hmac", {"header": "X-Hub-Signature-256", "prefix": "sha256="}),
    "x-hub-signature": ("generic-hmac", {"header": "X-Hub-Signature", "prefix": "sha1=", "algorithm": "sha1"}),
}


def published() -> list[dict]:
    files = ("shopify", "stripe", "easypost", "woocommerce", "standard-webhooks", "svix", "github")
    found = [
        v for name in files if (PUBLISHED / f"{name}.json").exists() for v in json.loads((PUBLISHED / f"{name}.json").read_text())
    ]
    if not found:
        print(f"\nno published vectors in {PUBLISHED}: only our own are tested")  # noqa: T201 - said aloud
    return found


def request(vector: dict) -> Request:
    body = base64.b64decode(vector["body_base64"]) if "body_base64" in vector else vector["body"].encode()
    headers = {name.lower(): value for name, value in vector["headers"].items()}
    return Request(body, headers, vector.get("method", "POST"), vector.get("url"))


def verify(vector: dict, provider: str, options: dict[str, str]):
    now_ms = (vector["now"] or 0) * 1000
    return PROFILES[provider](options).verify(request(vector), [Secret("s1", vector["secret"])], now_ms)


@pytest.mark.parametrize("vector", OWN, ids=[v["id"] for v in OWN])
def test_own(vector):
    outcome = verify(vector, vector["provider"], vector.get("options", {}))
    match vector["expect"]:
        case "valid":
            assert outcome == Verified("s1")
        case "ping":
            assert outcome == Handshake("ping")
        case reason:
            assert getattr(outcome, "reason", outcome) == reason


@pytest.mark.parametrize("vector", [v for v in OWN if "identity" in v], ids=lambda v: v["id"])
def test_identity(vector):
    about = PROFILES[vector["provider"]](vector.get("options", {})).identify(request(vector))
    assert [about.delivery, about.topic, about.account, about.object] == vector["identity"]


if COLLECTED := published():

    @pytest.mark.parametrize("vector", COLLECTED, ids=lambda v: v["id"])
    def test_published(vector):
        accepted = isinstance(verify(vector, *SCHEMES[vector["scheme"]]), Verified)
        # An empty secret makes a valid signature that anybody can make: we refuse it, whatever the vector says.
        assert accepted == (vector["expect"] == "valid" and bool(vector["secret"]))


def test_there_are_vectors_for_every_profile():
    assert {v["provider"] for v in OWN} == set(PROFILES)
