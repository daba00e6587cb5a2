"""Histogram, cursors, URLs, checks of fields, secrets: the pure parts of the console."""

from __future__ import annotations

import ipaddress
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from console import checks, cursor, urls
from console.actions.secrets import rotated, sealed
from console.forms import EndpointForm, SourceForm
from console.histogram import bucket_of, percentile, upper_ms
from console.queries import DELIVERY_PREFIX, WEBHOOK_PREFIX
from runtime.secrets import SecretBox
from runtime.settings import Settings
from schemas import ids
from schemas.records import SecretValue


@settings(deadline=None)
@given(st.floats(0, 1e12))
@example(0.0)
@example(1.0)
def test_a_duration_lies_in_its_bucket(ms: float) -> None:
    bucket = bucket_of(ms)
    assert ms <= upper_ms(bucket) * (1 + 1e-9)
    assert bucket == 0 or ms > upper_ms(bucket - 1) * (1 - 1e-9)


@settings(deadline=None)
@given(st.lists(st.floats(1.01, 1e7), min_size=1, max_size=300), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_percentile_is_within_a_bucket_of_the_true_one(values: list[float], share: float) -> None:
    counts: dict[int, int] = {}
    for ms in values:
        counts[bucket_of(ms)] = counts.get(bucket_of(ms), 0) + 1
    true = sorted(values)[max(0, math.ceil(len(values) * share) - 1)]
    found = percentile(counts, share)
    assert found is not None
    assert true / 1.2 <= found <= true * 1.2


def test_percentiles_of_nothing_and_of_the_unmeasured() -> None:
    assert percentile({}, 0.5) is None
    assert percentile({-1: 5}, 0.5) is None
    assert percentile({-1: 500, 0: 1}, 0.5) == percentile({0: 1}, 0.5)


@settings(deadline=None)
@given(st.integers(-(2**62), 2**62), st.integers(0, 2**62))
def test_cursors_come_back(time_ms: int, seq: int) -> None:
    assert cursor.decode(cursor.encode(time_ms, seq)) == (time_ms, seq)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_cursor_or_is_refused(text: str) -> None:
    try:
        assert all(isinstance(part, int) for part in cursor.decode(text))
    except cursor.CursorError as e:
        assert "next_cursor" in str(e)  # noqa: PT017 - both ways are right, and nothing else


GOOD = [
    "https://shop.example/hooks", "http://shop.example:8080/a?b=c%20d", "https://xn--bcher-kva.example/", "https://8.8.8.8/h",
    "https://[2606:4700:4700::1111]/h", "https://under_score.example/h", "https://localhost.example/h",
]  # fmt: skip


@pytest.mark.parametrize("url", GOOD)
def test_good_urls(url: str) -> None:
    assert urls.problem_of(url) is None


BAD = {
    "": "must begin with",
    "shop.example/h": "must begin with",
    "ftp://shop.example": "must begin with",
    "javascript:alert(1)": "must begin with",
    "https://": "has no host",
    "https:///path": "has no host",
    "https://user:pass@shop.example/": "user or a password",
    "https://@shop.example/": "user or a password",
    "https://shop.example/#top": "fragment",
    "https://shop.example/#": "fragment",
    "https://shop.example:0/": "port 0",
    "https://shop.example:99999/": "no URL",
    "https://shop.example/a b": "must be escaped",
    "https://shop.example/\r\nX: y": "must be escaped",
    "https://bücher.example/": "must be escaped",
    "https://shop..example/": "no host name",
    "https://-shop.example/": "no host name",
    "https://[::1/": "no URL",
    "https://" + "a" * 2100 + ".example/": "longer than",
    "http://127.0.0.1/": "127.0.0.1/32",
    "http://localhost:9000/": "127.0.0.0/8",
    "http://api.localhost/": "127.0.0.0/8",
    "http://localhost./": "127.0.0.0/8",
    "http://10.1.2.3/": "private address",
    "http://169.254.169.254/latest/meta-data": "private address",
    "http://100.64.0.1/": "private address",
    "http://0.0.0.0/": "private address",
    "http://224.0.0.1/": "private address",
    "http://[::1]/": "private address",
    "http://[::ffff:127.0.0.1]/": "private address",
    "http://[64:ff9b::7f00:1]/": "private address",
    "http://[2002:7f00:1::]/": "private address",
    "http://[fd00::1]/": "private address",
    "http://[fe80::1]/": "private address",
    "http://2130706433/": "read as an address",
    "http://0x7f.1/": "read as an address",
    "http://127.1/": "read as an address",
    "http://0177.0.0.1/": "read as an address",
}


@pytest.mark.parametrize(("url", "told"), BAD.items())
def test_bad_urls_say_why(url: str, told: str) -> None:
    assert told in (urls.problem_of(url) or "nothing")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://localhost:9/", "http://[::ffff:127.0.0.1]/"])
def test_what_the_deployment_allows_is_allowed(url: str) -> None:
    assert urls.problem_of(url, [ipaddress.ip_network("127.0.0.0/8")]) is None
    assert urls.problem_of(url, [ipaddress.ip_network("10.0.0.0/8")]) is not None


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_url_or_is_refused_with_words(text: str) -> None:
    assert urls.problem_of("https://" + text) != ""


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"id": "Upper"}, "id"),
        ({"id": "a/b"}, "id"),
        ({"tenant": ""}, "tenant"),
        ({"description": "x" * 501}, "description"),
        ({"event_types": []}, "event_types"),
        ({"event_types": ["order.*", "order*"]}, "event_types[1]"),
        ({"event_types": ["*.created"]}, "event_types[0]"),
        ({"channels": ["a\nb"]}, "channels[0]"),
        ({"headers": {"X Y": "z"}}, "headers.X Y"),
        ({"headers": {"X": "a\r\nB: c"}}, "headers.X"),
        ({"headers": {"X": "a\x00"}}, "headers.X"),
        ({"headers": {"webhook-id": "x"}}, "headers.webhook-id"),
        ({"headers": {"Transfer-Encoding": "x"}}, "headers.Transfer-Encoding"),
        ({"headers": {"a": "1", "A": "2"}}, "headers"),
        ({"timeout_s": 0.5}, "timeout_s"),
        ({"timeout_s": 31}, "timeout_s"),
        ({"max_in_flight": 0}, "max_in_flight"),
        ({"max_in_flight": 129}, "max_in_flight"),
        ({"retry_schedule": ["soon"]}, "retry_schedule[0]"),
        ({"retry_schedule": [-1]}, "retry_schedule[0]"),
        ({"retry_schedule": [604_801]}, "retry_schedule[0]"),
        ({"retry_schedule": [1] * 21}, "retry_schedule"),
    ],
)
def test_endpoint_fields_that_cannot_be_used(fields: dict, field: str) -> None:
    found = checks.endpoint(EndpointForm(**{"url": "https://shop.example", **fields}), (), 0)
    assert [name for name, _ in found] == [field]
    assert all(words for _, words in found)


def test_a_plain_endpoint_and_a_plain_source_are_good() -> None:
    assert (
        checks.endpoint(
            EndpointForm(url="https://shop.example", headers={"X-Key": "a b"}, retry_schedule=["0", "5s", 7.5]), (), 0
        )
        == []
    )
    assert checks.source(SourceForm(provider="shopify", secrets=["shpss_x"], external_url="https://in.example/in/x")) == []
    assert checks.source(SourceForm(provider="shopify", secrets=["shpss_x"], external_url="in.example"))[0][0] == "external_url"
    assert (
        checks.source(SourceForm(provider="shopify", secrets=["x"], ip_allowlist=["203.0.113.0/33"]))[0][0] == "ip_allowlist[0]"
    )


def test_a_schedule_in_words_and_numbers() -> None:
    assert checks.schedule(["0", "5s", "1.5m", 7]) == ([5.0, 90.0, 7.0], [])
    assert checks.schedule([0, 0, 5]) == ([0.0, 5.0], [])


def test_rotation(tmp_path) -> None:
    box = SecretBox.open(Settings(home=tmp_path))
    new = sealed(box, "new", 1000)
    assert box.decrypt(new.ciphertext) == "new"
    old = [
        SecretValue(id="current", ciphertext="c", created_at=0),
        SecretValue(id="ending", ciphertext="c", created_at=0, expires_at=1500),
        SecretValue(id="ended", ciphertext="c", created_at=0, expires_at=900),
    ]
    assert [(s.id, s.expires_at) for s in rotated(old, new, 1000, 2)] == [(new.id, None), ("current", 3000), ("ending", 1500)]
    assert rotated(old, new, 1000, 0) == [new]


def test_a_webhook_id_leads_to_its_delivery() -> None:
    """What the search by webhook id relies on."""
    for event, endpoint in (("evt_1", "shop"), ("", "x"), ("evt_é", "shop-2")):
        delivery_id, webhook_id = ids.delivery_id(event, endpoint), ids.webhook_id(event, endpoint)
        assert delivery_id.removeprefix(DELIVERY_PREFIX) == webhook_id.removeprefix(WEBHOOK_PREFIX)
        assert delivery_id.startswith(DELIVERY_PREFIX)
        assert webhook_id.startswith(WEBHOOK_PREFIX)
