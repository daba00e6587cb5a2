"""The request of a delivery: what it carries, whom it trusts, and that nothing can end a header line."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from delivery.request import RequestBuilder
from runtime import signing
from runtime.config import Endpoint, Secret
from schemas.auth import Basic, Bearer, Mtls, OAuth2
from schemas.records import EndpointConfig
from tests.authority import Authority
from tests.lab import SECRET

NOW = 1_800_000_000_000


def config(**fields):
    values = {
        "id": "ep", "tenant": "default", "url": "https://shop.example/hook", "description": "", "event_types": ["*"], "channels": [],
        "headers": {}, "secrets": [], "timeout_s": 15.0, "max_in_flight": 8, "retry_schedule": [], "state": "active",
        "created_at": 1, "updated_at": 1,
    }  # fmt: skip
    return EndpointConfig(**values | fields)


def builder(headers=None, auth=None, secrets=None, **fields):
    secrets = (Secret("s1", SECRET),) if secrets is None else secrets
    return RequestBuilder(Endpoint(config(**fields), tuple(secrets), headers or {}, auth))


def request(made: RequestBuilder, **fields):
    values = {
        "webhook_id": "msg_1", "payload": b'{"n":1}', "event_type": "order.created", "delivery_id": "dlv_1", "attempt": 2, "sequence": 7,
        "replay_id": None, "now_ms": NOW,
    }  # fmt: skip
    return made.build(**values | fields)


def lines(found) -> dict[str, str]:
    pairs = [line.partition(":") for line in found.headers]
    assert len({name.lower() for name, _, _ in pairs}) == len(pairs)
    return {name.lower(): value.strip() for name, _, value in pairs}


def test_what_a_request_carries():
    found = request(builder({"X-Shop": "a b"}), replay_id="rpl_1", batch=17)
    sent = lines(found)
    assert (found.url, found.body, found.timeout_s) == ("https://shop.example/hook", b'{"n":1}', 15.0)
    assert (found.tls, found.oauth2) == (None, None)
    assert sent["webhook-id"] == "msg_1"
    assert sent["webhook-timestamp"] == str(NOW // 1000)
    assert sent["x-shop"] == "a b"
    assert [sent[f"x-hookstream-{n}"] for n in ("event", "delivery", "attempt", "sequence", "replay", "batch")] == [
        "order.created", "dlv_1", "2", "7", "rpl_1", "17",
    ]  # fmt: skip
    assert "authorization" not in sent
    assert {"x-hookstream-replay", "x-hookstream-batch"}.isdisjoint(lines(request(builder())))


def test_an_endpoint_may_name_the_hub_its_own_way():
    sent = lines(request(builder({"user-agent": "shop", "X-Accept": "a"})))
    assert (sent["user-agent"], sent["accept"]) == ("shop", "*/*")


def test_secrets_sign_until_their_overlap_ends():
    old, new = signing.new_secret(), signing.new_secret()
    made = builder(secrets=(Secret("new", new), Secret("old", old, NOW + 5000)))
    kinds = [len(lines(request(made, now_ms=NOW + at))["webhook-signature"].split(" ")) for at in (0, 4999, 5000, 9000)]
    assert kinds == [2, 2, 1, 1]


def test_both_kinds_sign_while_an_endpoint_changes_over():
    made = builder(secrets=(Secret("new", signing.new_secret("v1a")), Secret("old", SECRET, NOW + 5000)), signature="v1a")
    assert [s.split(",")[0] for s in lines(request(made))["webhook-signature"].split(" ")] == ["v1a", "v1"]
    assert lines(request(made, now_ms=NOW + 5000))["webhook-signature"].startswith("v1a,")


def test_without_a_current_secret_nothing_is_sent_unsigned():
    for secrets in ((), (Secret("old", SECRET, NOW + 5000),)):
        with pytest.raises(ValueError, match="rotate it"):
            builder(secrets=secrets)


def test_basic_and_bearer():
    basic = lines(request(builder(auth=Basic(username="shöp", password="p:w"))))["authorization"]
    assert base64.b64decode(basic.removeprefix("Basic ")).decode() == "shöp:p:w"
    assert lines(request(builder(auth=Bearer(token="abc.def"))))["authorization"] == "Bearer abc.def"


def test_oauth2_and_client_certificates_are_left_to_the_client():
    asked = OAuth2(token_url="https://login.example/token", client_id="a", client_secret="b")
    assert request(builder(auth=asked)).oauth2 is asked
    authority = Authority()
    certificate, key = authority.client("hub")
    found = request(builder(auth=Mtls(certificate=certificate, private_key=key), ca=authority.pem))
    assert found.tls is not None
    assert (found.tls.certificate, found.tls.private_key) == (certificate.encode(), key.encode())
    assert found.tls.ca == authority.pem.encode()
    assert "PRIVATE" not in repr(found.tls) + repr(found)


def test_no_secret_is_shown():
    secrets = ("t0ken-secret", "cl1ent-secret", "passw0rd")
    auths = (
        Bearer(token="t0ken-secret"),
        OAuth2(token_url="https://x", client_id="a", client_secret="cl1ent-secret"),
        Basic(username="u", password="passw0rd"),
    )
    for auth in auths:
        shown = repr(auth) + repr(request(builder(auth=auth)))
        assert not any(secret in shown for secret in secrets), shown


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"auth": Bearer(token="a\r\nx: y")}, "auth.token"),
        ({"auth": Bearer(token="")}, "auth.token"),
        ({"auth": Bearer(token="a b")}, "auth.token"),
        ({"auth": Basic(username="a:b", password="c")}, "colon"),
        ({"auth": Basic(username="a", password="c\n")}, "control"),
        ({"auth": Bearer(token="a"), "headers": {"authorization": "b"}}, "keep one"),
        (
            {"auth": OAuth2(token_url="https://x", client_id="a", client_secret="b"), "headers": {"Authorization": "b"}},
            "keep one",
        ),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "keep one"),
        ({"auth": OAuth2(token_url="https://ä/", client_id="a", client_secret="b")}, "auth.token_url"),
        ({"ca": "no pem"}, "ca: want certificates in PEM"),
        ({"auth": Mtls(certificate="x", private_key="y")}, "certificate: want certificates in PEM"),
        ({"secrets": (Secret("s1", "whsec_%"),)}, "signing secret"),
    ],
)
def test_what_cannot_be_served_is_refused_with_its_field(fields, words):
    with pytest.raises(ValueError, match=words):
        builder(**fields)


def test_a_key_that_is_not_the_certificates_is_refused():
    authority = Authority()
    certificate, key = authority.client("a")[0], authority.client("b")[1]
    with pytest.raises(ValueError, match="does not belong"):
        builder(auth=Mtls(certificate=certificate, private_key=key))
    with pytest.raises(ValueError, match="PEM private key"):
        builder(auth=Mtls(certificate=certificate, private_key=certificate))


BAD_URLS = [
    "", "shop.example", "ftp://shop.example", "file:///etc/passwd", "https://", "https:///x", "https://a b.example/", "https://a.example/\r\nx: y",
    "https://u@a.example", "https://u:p@a.example", "https://a.example\\@b.example/", "https://a.example:0/", "https://a.example:99999/",
    "https://a.example/\x00", "https://ä.example/", "https://[::1/", "javascript://a/",
]  # fmt: skip


@pytest.mark.parametrize("url", BAD_URLS)
def test_urls_that_libcurl_may_read_in_its_own_way_are_refused(url):
    with pytest.raises(ValueError, match="url"):
        builder(url=url)


@given(st.text(max_size=700), st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_whatever_a_record_says_each_line_stays_one_and_the_signature_covers_what_is_sent(
    webhook_id, event_type, delivery_id, replay_id
):
    found = request(builder(), webhook_id=webhook_id, event_type=event_type, delivery_id=delivery_id, replay_id=replay_id)
    assert len(found.headers) == 12
    for line in found.headers:
        assert line.isascii()
        assert line.isprintable()
        assert len(line) < 700
    sent = lines(found)
    assert all(sent[name] for name in sent if name.startswith("x-hookstream"))
    moment = datetime.fromtimestamp(NOW / 1000, UTC)
    assert sent["webhook-signature"] == Webhook(SECRET).sign(sent["webhook-id"], moment, found.body.decode())


def test_ids_as_the_hub_makes_them_are_sent_as_they_are():
    sent = lines(request(builder(), webhook_id="msg_3f0c", event_type="order.created", delivery_id="dlv_é\r\nX: y"))
    assert sent["webhook-id"] == "msg_3f0c"
    assert sent["x-hookstream-delivery"] == "dlv_%C3%A9%0D%0AX:%20y"
