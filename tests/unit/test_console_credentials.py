"""Credentials of an endpoint: certificates really parsed, mistakes named with their fix, secrets never shown."""

from __future__ import annotations

import time

import msgspec
import pytest

from console import checks, credentials
from console.forms import EndpointForm, NoAuth
from schemas.auth import Basic, Bearer, Mtls, OAuth2
from tests.pem import certificate_pem, key_pem

URL = "https://shop.example/hooks"
NOW_MS = time.time_ns() // 1_000_000
MTLS = Mtls(certificate=certificate_pem(), private_key=key_pem())
OAUTH = OAuth2(token_url="https://login.example/token", client_id="hub", client_secret="hush", scope="hooks:write all")


def problems(**fields) -> dict[str, str]:
    return dict(checks.endpoint(EndpointForm(**{"url": URL, **fields}), (), NOW_MS))


@pytest.mark.parametrize(
    "auth",
    [
        None,
        NoAuth(),
        Basic(username="u", password=""),
        Basic(username="ü", password="a:b c"),
        Bearer(token="a.b~c+/="),
        OAUTH,
        MTLS,
    ],
)
def test_what_can_be_used(auth):
    assert problems(auth=auth) == {}


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"auth": Basic(username="a:b", password="x")}, "auth.username", "no colon"),
        ({"auth": Basic(username="", password="x")}, "auth.username", "1 to 4096"),
        ({"auth": Basic(username="u", password="x\r\ny: z")}, "auth.password", "no line breaks"),
        ({"auth": Bearer(token="Bearer abc")}, "auth.token", "the token alone"),
        ({"auth": Bearer(token="")}, "auth.token", "the token alone"),
        ({"auth": msgspec.structs.replace(OAUTH, token_url="http://169.254.169.254/t")}, "auth.token_url", "private address"),
        ({"auth": msgspec.structs.replace(OAUTH, client_secret="")}, "auth.client_secret", "1 to 4096"),
        ({"auth": msgspec.structs.replace(OAUTH, scope='a "b"')}, "auth.scope", "single blanks"),
        ({"auth": MTLS, "url": "http://shop.example/h"}, "url", "https://"),
        ({"auth": MTLS, "url": "http://shop.example/h"}, "auth", "https://"),
        ({"auth": Bearer(token="x"), "headers": {"authorization": "y"}}, "headers.Authorization", "keep one"),
        ({"auth": Mtls(certificate="nonsense", private_key=key_pem())}, "auth.certificate", "BEGIN CERTIFICATE"),
        ({"auth": Mtls(certificate=certificate_pem(), private_key="nonsense")}, "auth.private_key", "BEGIN PRIVATE KEY"),
        ({"auth": Mtls(certificate=certificate_pem(), private_key=key_pem("other"))}, "auth.private_key", "does not belong"),
        (
            {"auth": Mtls(certificate=certificate_pem(), private_key=key_pem(password=b"x"))},
            "auth.private_key",
            "decrypt it first",
        ),
        (
            {"auth": Mtls(certificate=certificate_pem("old", -1), private_key=key_pem("old"))},
            "auth.certificate",
            "CN=old expired on",
        ),
        ({"ca": key_pem()}, "ca", "is no PEM certificate"),
        ({"ca": ""}, "ca", "is no PEM certificate"),
        ({"ca": certificate_pem("old", -1)}, "ca", "expired on"),
        ({"ca": certificate_pem() * 51}, "ca", "at most 50"),
        ({"ca": certificate_pem(), "url": "http://shop.example/h"}, "ca", "https://"),
        ({"rate_limit": 0.0}, "rate_limit", "more than 0"),
        ({"rate_limit": 10_001.0}, "rate_limit", "at most 10000"),
        ({"rate_limit": float("nan")}, "rate_limit", "more than 0"),
        ({"batch_max": 0}, "batch_max", "want 1 to 500"),
        ({"batch_max": 501}, "batch_max", "want 1 to 500"),
        ({"batch_wait_ms": 60_001}, "batch_wait_ms", "want 0 to 60000"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_fix(fields, field, words):
    assert words in problems(**fields)[field]


def test_a_key_goes_with_the_first_certificate_of_the_chain():
    chain = certificate_pem() + certificate_pem("issuer")
    assert problems(auth=Mtls(certificate=chain, private_key=key_pem())) == {}
    turned = certificate_pem("issuer") + certificate_pem()
    assert "does not belong" in problems(auth=Mtls(certificate=turned, private_key=key_pem()))["auth.private_key"]


def test_what_is_shown_holds_no_secret():
    secrets = {"hush", MTLS.private_key, "t0k3n", "pa55"}
    shown = [credentials.view(a) for a in (None, Basic(username="u", password="pa55"), Bearer(token="t0k3n"), OAUTH, MTLS)]
    assert [s.type for s in shown] == ["none", "basic", "bearer", "oauth2", "mtls"]
    text = msgspec.json.encode(shown).decode()
    assert not any(secret in text for secret in secrets)
    assert (shown[1].username, shown[3].client_id, shown[3].token_url) == ("u", "hub", "https://login.example/token")
    [certificate] = shown[4].certificates
    assert certificate.subject == "CN=client"
    assert certificate.expires_at > NOW_MS
