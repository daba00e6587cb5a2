"""The catalogue that the console offers is what the ingress implements, and its check names field and fix."""

from __future__ import annotations

import pytest

from hub import samples
from ingress.providers import PROFILES
from schemas.providers import PROVIDERS, validate, validate_ip_allowlist

WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
GENERIC = {"header": "X-Sig"}


def test_catalogue_profiles_and_samples_are_the_same_providers():
    assert set(PROVIDERS) == set(PROFILES) == set(samples.providers())
    assert all(PROFILES[slug](GENERIC).slug == slug == PROVIDERS[slug].slug for slug in PROVIDERS)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_good_source_has_no_problems(provider):
    assert validate(provider, GENERIC if provider == "generic-hmac" else {}, [WHSEC]) == []


@pytest.mark.parametrize(
    ("provider", "options", "secrets", "field", "says"),
    [
        ("shopifi", {}, ["x"], "provider", "use one of shopify, stripe"),
        ("shopify", {}, [], "secrets", "at least one is required"),
        ("shopify", {}, ["x", " "], "secrets[1]", "anybody can sign with an empty secret"),
        ("shopify", {"header": "X-A"}, ["x"], "options.header", "it takes none"),
        ("standard-webhooks", {}, ["plain"], "secrets[0]", "whsec_ and base64"),
        ("standard-webhooks", {}, ["whsec_c2hvcnQ="], "secrets[0]", "at least 16 bytes"),
        ("standard-webhooks", {}, ["whpk_c2hvcnQ="], "secrets[0]", "32 bytes"),
        ("standard-webhooks", {}, ["whsk_c2hvcnQ="], "secrets[0]", "private key"),
        ("generic-hmac", {}, ["x"], "options.header", "is required"),
        ("generic-hmac", {"header": "bad name"}, ["x"], "options.header", "no header name"),
        ("generic-hmac", {"header": "X-A\r\nX-B"}, ["x"], "options.header", "no header name"),
        ("generic-hmac", {**GENERIC, "algorithm": "md5"}, ["x"], "options.algorithm", "sha256, sha512, sha1"),
        ("generic-hmac", {**GENERIC, "encoding": "hax"}, ["x"], "options.encoding", "hex, base64"),
        ("generic-hmac", {**GENERIC, "prefix": "p\n"}, ["x"], "options.prefix", "100 ASCII characters"),
        ("generic-hmac", {**GENERIC, "tolerance": "0", "timestamp_header": "X-T"}, ["x"], "options.tolerance", "seconds"),
        ("generic-hmac", {**GENERIC, "tolerance": "60"}, ["x"], "options.timestamp_header", "is required"),
        ("generic-hmac", {**GENERIC, "signed": "{timestamp}"}, ["x"], "options.signed", "{body} exactly once"),
        ("generic-hmac", {**GENERIC, "signed": "{body}{nonce}"}, ["x"], "options.signed", "{nonce} is not known"),
        ("generic-hmac", {**GENERIC, "signed": "{body}", "timestamp_header": "X-T"}, ["x"], "options.signed", "renew an old request"),
        ("generic-hmac", {**GENERIC, "signed": "{timestamp}.{body}"}, ["x"], "options.timestamp_header", "is required"),
        ("generic-hmac", {**GENERIC, "signed": "{id}.{body}"}, ["x"], "options.id_header", "is required"),
        ("generic-hmac", {**GENERIC, "signed": "{url}{body}"}, ["x"], "external_url", "is required"),
        ("generic-hmac", {**GENERIC, "id_header": "X-I", "id_field": "id"}, ["x"], "options.id_field", "choose one"),
        ("generic-hmac", {**GENERIC, "topic_header": "X-I", "topic_field": "id"}, ["x"], "options.topic_field", "choose one"),
        ("generic-hmac", {**GENERIC, "topic_field": "a..b"}, ["x"], "options.topic_field", "no field"),
        ("generic-hmac", {**GENERIC, "secret_encoding": "hex"}, ["xyz"], "secrets[0]", "is not hex"),
        ("generic-hmac", {**GENERIC, "secret_encoding": "base64"}, ["?"], "secrets[0]", "is not base64"),
        ("generic-hmac", {**GENERIC, "colour": "red"}, ["x"], "options.colour", "no such option"),
    ],
)  # fmt: skip
def test_a_bad_source_is_told_which_field_and_what_to_do(provider, options, secrets, field, says):
    problems = validate(provider, options, secrets)
    assert [f for f, _ in problems] == [field]
    assert says in problems[0][1]


def test_a_signed_url_is_fine_once_the_source_knows_it():
    assert validate("generic-hmac", {**GENERIC, "signed": "{url}{body}"}, ["x"], "https://in.example/hook") == []


def test_address_ranges():
    assert validate_ip_allowlist(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]) == []
    assert validate_ip_allowlist(["10.0.0.0/8", "nowhere"])[0][0] == "ip_allowlist[1]"
