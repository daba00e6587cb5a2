"""The console over real Kafka and real HTTP: configuration is read back at once, history comes from the topics."""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import msgspec
import pytest

from runtime import signing
from schemas import topics
from tests.console_lab import KEY, Console, attempt, delivery, until
from tests.lab import Lab
from tests.pem import certificate_pem, key_pem

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def lab(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(bootstrap, tmp_path_factory.mktemp("console"), admin_key=KEY)
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def console(lab: Lab) -> Iterator[Console]:
    console = Console(lab)
    yield console
    console.close()


def make_endpoint(console: Console, endpoint_id: str, **fields) -> dict:
    body = {"id": endpoint_id, "url": "https://shop.example/hooks", "event_types": ["order.*"], **fields}
    return console.post("/endpoints", body, 201)


def test_an_endpoint_is_read_back_changed_and_removed(console: Console) -> None:
    made = make_endpoint(console, "crud", headers={"X-Api-Key": "hush"}, retry_schedule=["0", "5s", 60])
    assert made["secret"].startswith("whsec_")
    assert len(base64.b64decode(made["secret"].removeprefix("whsec_"))) == 32
    shown = console.get("/endpoints/crud")
    assert "secret" not in shown
    assert made["secret"] not in json.dumps(shown)
    assert shown["headers"] == {"X-Api-Key": "••••"}
    assert shown["retry_schedule"] == [5.0, 60.0]
    assert shown["state"] == "active"
    assert [e["id"] for e in console.get("/endpoints")["data"]].count("crud") == 1

    changed = console.api.patch("/api/v1/endpoints/crud", json={"timeout_s": 7, "description": "the shop"}).json()
    assert (changed["timeout_s"], changed["description"], changed["retry_schedule"]) == (7.0, "the shop", [5.0, 60.0])
    replaced = console.api.put("/api/v1/endpoints/crud", json={"url": "https://other.example/h"}).json()
    assert (replaced["url"], replaced["event_types"], replaced["headers"]) == ("https://other.example/h", ["*"], {})

    assert console.api.delete("/api/v1/endpoints/crud").status_code == 204
    assert console.api.get("/api/v1/endpoints/crud").status_code == 404


def test_what_is_stored_is_sealed(console: Console, lab: Lab) -> None:
    secret = make_endpoint(console, "sealed", headers={"X-Api-Key": "hush-hush"})["secret"]
    stored = msgspec.json.encode([c for c in lab.read(topics.ENDPOINTS) if c.id == "sealed"])
    assert secret.encode() not in stored
    assert b"hush-hush" not in stored
    opened = console.app.state.deps.endpoints.items["sealed"]
    assert opened.secrets[0].value == secret
    assert opened.headers == {"X-Api-Key": "hush-hush"}


def test_header_values_survive_a_patch_of_something_else(console: Console) -> None:
    make_endpoint(console, "kept", headers={"X-Api-Key": "hush"})
    assert console.api.patch("/api/v1/endpoints/kept", json={"description": "new"}).status_code == 200
    assert console.app.state.deps.endpoints.items["kept"].headers == {"X-Api-Key": "hush"}


def test_rotation_keeps_the_old_secret_for_a_while(console: Console) -> None:
    first = make_endpoint(console, "turn")["secret"]
    turned = console.post("/endpoints/turn/rotate-secret", {"overlap_s": 3600})
    assert turned["secret"] != first
    newest, old = console.get("/endpoints/turn")["secrets"]
    assert newest["expires_at"] is None
    assert old["expires_at"] == turned["old_expire_at"] == newest["created_at"] + 3_600_000
    at_once = console.post("/endpoints/turn/rotate-secret", {"overlap_s": 0})
    assert [s["id"] for s in at_once["secrets"]] == [console.get("/endpoints/turn")["secrets"][0]["id"]]


SETTINGS = {
    "ordering": "key",
    "rate_limit": 2.5,
    "batch_max": 100,
    "batch_wait_ms": 2000,
    "auth": {
        "type": "oauth2",
        "token_url": "https://login.example/t",
        "client_id": "hub",
        "client_secret": "oa-hush",
        "scope": "a b",
    },
    "ca": certificate_pem("authority"),
}
SHOWN_AUTH = {"type": "oauth2", "token_url": "https://login.example/t", "client_id": "hub", "scope": "a b"}


def test_every_setting_is_kept_shown_without_secrets_and_changed_alone(console: Console, lab: Lab) -> None:
    made = make_endpoint(console, "full", **SETTINGS)
    plain = {name: SETTINGS[name] for name in ("ordering", "rate_limit", "batch_max", "batch_wait_ms")}
    assert {name: made[name] for name in plain} == plain
    assert made["auth"] == SHOWN_AUTH
    assert [c["subject"] for c in made["ca"]] == ["CN=authority"]
    stored = [c for c in lab.read(topics.ENDPOINTS) if c.id == "full"][-1]
    assert (stored.auth_kind, stored.rate_limit, stored.ca) == ("oauth2", 2.5, SETTINGS["ca"])
    for found in (msgspec.json.encode(stored), json.dumps([made, console.get("/endpoints/full")]).encode()):
        assert b"oa-hush" not in found
    assert console.app.state.deps.endpoints.items["full"].auth.client_secret == "oa-hush"

    def patch(**fields) -> dict:
        answer = console.api.patch("/api/v1/endpoints/full", json=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert patch(rate_limit=7)["auth"] == SHOWN_AUTH
    assert console.app.state.deps.endpoints.items["full"].auth.client_secret == "oa-hush"
    own = {"type": "mtls", "certificate": certificate_pem(), "private_key": key_pem()}
    changed = patch(auth=own, rate_limit=None, ca=None, ordering="latest")
    assert (changed["rate_limit"], changed["ca"], changed["ordering"], changed["batch_max"]) == (None, [], "latest", 100)
    assert [c["subject"] for c in changed["auth"]["certificates"]] == ["CN=client"]
    assert "PRIVATE KEY" not in json.dumps(changed)
    assert patch(auth={"type": "none"})["auth"] == {"type": "none"}
    assert [c for c in lab.read(topics.ENDPOINTS) if c.id == "full"][-1].auth is None
    replaced = console.api.put("/api/v1/endpoints/full", json={"url": "https://other.example/h"}).json()
    assert (replaced["ordering"], replaced["batch_max"], replaced["batch_wait_ms"]) == ("none", 1, 0)


def test_a_public_key_is_shown_whenever_and_a_signature_changes_with_its_secret(console: Console) -> None:
    made = make_endpoint(console, "asym", signature="v1a")
    assert made["secret"].startswith("whsk_")
    assert made["public_key"] == signing.public_key(made["secret"])
    shown = console.get("/endpoints/asym")
    assert (shown["signature"], [s["public_key"] for s in shown["secrets"]]) == ("v1a", [made["public_key"]])
    assert made["secret"] not in json.dumps(shown)
    answer = console.api.patch("/api/v1/endpoints/asym", json={"signature": "v1"})
    assert answer.json()["errors"][0]["field"] == "signature"
    assert "rotate-secret" in answer.json()["detail"]
    assert console.api.put("/api/v1/endpoints/asym", json={"url": "https://x.example"}).json()["signature"] == "v1a"
    turned = console.post("/endpoints/asym/rotate-secret", {"signature": "v1"})
    assert turned["secret"].startswith("whsec_")
    assert [(s["signature"], s["public_key"]) for s in turned["secrets"]] == [("v1", None), ("v1a", made["public_key"])]
    assert console.get("/endpoints/asym")["signature"] == "v1"
    assert console.post("/endpoints/asym/rotate-secret")["secret"].startswith("whsec_")


def test_states(console: Console) -> None:
    make_endpoint(console, "states")
    paused = console.post("/endpoints/states/pause", {"reason": "moving house"})
    assert (paused["state"], paused["state_reason"]) == ("paused", "moving house")
    assert console.post("/endpoints/states/resume")["state_reason"] is None
    disabled = console.post("/endpoints/states/disable")
    assert (disabled["state"], disabled["disabled_by"]) == ("disabled", "person")
    assert "enable it" in console.post("/endpoints/states/pause", {}, 409)["detail"]
    enabled = console.post("/endpoints/states/enable")
    assert (enabled["state"], enabled["disabled_by"], enabled["redrive_id"]) == ("active", None, None)
    assert [e["id"] for e in console.get("/endpoints", state="paused")["data"]] == []


def test_of_changes_at_once_none_is_lost(console: Console) -> None:
    with ThreadPoolExecutor(8) as threads:
        body = {"id": "contested", "url": "https://shop.example/hooks"}
        made = list(threads.map(lambda _: console.api.post("/api/v1/endpoints", json=body).status_code, range(8)))
        assert sorted(made) == [201, *[409] * 7]
        fields = [
            {"description": "new"},
            {"timeout_s": 9},
            {"max_in_flight": 3},
            {"channels": ["eu"]},
            {"url": "https://b.example"},
        ]
        list(threads.map(lambda patch: console.api.patch("/api/v1/endpoints/contested", json=patch), fields))
    found = console.get("/endpoints/contested")
    assert {name: found[name] for patch in fields for name in patch} == {k: v for patch in fields for k, v in patch.items()}


def test_a_test_event_goes_to_that_endpoint_alone(console: Console, lab: Lab) -> None:
    make_endpoint(console, "tested")
    sent = console.post("/endpoints/tested/test", {}, 202)
    found = until(lambda: console.get("/deliveries", endpoint="tested")["data"])
    assert [(d["id"], d["event_type"], d["state"]) for d in found] == [(sent["delivery_id"], "hookstream.test", "queued")]
    [record] = [d for d in lab.read(topics.DELIVERIES) if d.endpoint_id == "tested"]
    assert set(json.loads(record.payload)) == {"type", "timestamp", "data"}


def test_a_source_never_shows_its_secrets(console: Console) -> None:
    body = {"id": "my-shop", "provider": "shopify", "secrets": ["shpss_very_secret"], "ip_allowlist": ["203.0.113.0/24"]}
    made = console.post("/sources", body, 201)
    assert made["path"] == "/in/my-shop"
    assert "shpss" not in json.dumps([made, console.get("/sources/my-shop"), console.get("/sources")])
    changed = console.api.patch("/api/v1/sources/my-shop", json={"description": "our shop", "enabled": False}).json()
    assert (changed["description"], changed["enabled"], changed["ip_allowlist"]) == ("our shop", False, ["203.0.113.0/24"])
    console.post("/sources/my-shop/rotate-secret", {"secret": "shpss_next"})
    values = [s.value for s in console.app.state.deps.sources.items["my-shop"].secrets]
    assert values == ["shpss_next", "shpss_very_secret"]
    assert "exists" in console.post("/sources", body, 409)["detail"]
    assert console.api.delete("/api/v1/sources/my-shop").status_code == 204
    assert console.api.get("/api/v1/sources/my-shop").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "field", "words"),
    [
        ("/endpoints", {}, "url", "is required"),
        ("/endpoints", {"url": "http://127.0.0.1/h"}, "url", "HUB_EGRESS_ALLOW"),
        ("/endpoints", {"url": "https://x.example", "timeout_s": "soon"}, "timeout_s", "expected"),
        ("/endpoints", {"url": "https://x.example", "colour": "red"}, "colour", "is not known"),
        ("/endpoints", {"url": "https://x.example", "filter": "a > 1"}, "filter", "not supported"),
        ("/endpoints", {"url": "https://x.example", "ordering": "random"}, "ordering", "invalid enum value"),
        ("/endpoints", {"url": "https://x.example", "rate_limit": 0}, "rate_limit", "null for no limit"),
        ("/endpoints", {"url": "https://x.example", "auth": {"type": "bearer"}}, "auth.token", "is required"),
        ("/endpoints", {"url": "https://x.example", "ca": "x"}, "ca", "BEGIN CERTIFICATE"),
        ("/endpoints", {"url": "https://x.example", "headers": {"Host": "x"}}, "headers.Host", "set by the hub"),
        ("/endpoints", {"url": "https://x.example", "retry_schedule": ["8d"]}, "retry_schedule[0]", "7 days"),
        ("/sources", {"provider": "shopify"}, "secrets", "required"),
        ("/sources", {"provider": "nobody", "secrets": ["x"]}, "provider", "use one of"),
        ("/sources", {"id": "api", "provider": "shopify", "secrets": ["x"]}, "id", "choose another"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_fix(console: Console, path: str, body: dict, field: str, words: str) -> None:
    answer = console.api.post(f"/api/v1{path}", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    problem = answer.json()
    assert problem["status"] == 422
    [error] = [e for e in problem["errors"] if e["field"] == field]
    assert any(part in error["message"] for part in words.split("|"))


def test_the_key_is_asked_for_everywhere(console: Console) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {KEY}"}, {"authorization": "Bearer ké"}):
        answer = httpx.get(f"{console.url}/api/v1/endpoints", headers=[(k, v.encode()) for k, v in headers.items()])
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "admin key" in answer.json()["detail"]


def test_unknown_paths_methods_and_bodies_answer_problem_details(console: Console) -> None:
    cases = (
        (console.api.get("/api/v1/nothing"), 404),
        (console.api.get("/api/nothing"), 404),
        (console.api.put("/api/v1/totals"), 405),
        (console.api.post("/api/v1/endpoints", content=b"{"), 400),
        (console.api.post("/api/v1/endpoints", content=b"[]"), 400),
        (console.api.post("/api/v1/endpoints", content=b'{"url":"' + b"x" * 300_000 + b'"}'), 400),
        (console.api.get("/api/v1/deliveries", params={"cursor": "!"}), 422),
        (console.api.get("/api/v1/deliveries", params={"state": "lost"}), 422),
        (console.api.get("/api/v1/deliveries", params={"from": "yesterday"}), 422),
        (console.api.get("/api/v1/deliveries", params={"colour": "red"}), 422),
        (console.api.get("/api/v1/deliveries", params={"limit": "501"}), 422),
        (console.api.get("/api/v1/dead", params={"limit": "0"}), 422),
        (console.api.get("/api/v1/stats", params={"bucket": "61"}), 422),
    )
    for answer, status in cases:
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
        assert answer.json()["detail"]


def test_operations_pages_and_documents_need_no_key(console: Console) -> None:
    until(lambda: httpx.get(f"{console.url}/readyz").status_code == 200)
    assert httpx.get(f"{console.url}/healthz").json()["alive"] is True
    assert "hub_projected_total" in httpx.get(f"{console.url}/metrics").text
    assert httpx.get(f"{console.url}/api/openapi.json").json()["openapi"] == "3.1.0"
    page = httpx.get(f"{console.url}/api/docs")
    assert "/api/v1/endpoints/{id}/rotate-secret" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_a_delivery_is_followed_to_its_end(console: Console, lab: Lab) -> None:
    make_endpoint(console, "followed")
    first = delivery("evt_followed", "followed", payload='{"naïve":true}'.encode())
    lab.write(topics.DELIVERIES, "followed", first)
    lab.flush()
    row = until(lambda: console.get("/deliveries", endpoint="followed")["data"])[0]
    assert (row["state"], row["spent"]) == ("queued", 0)

    place = {"delivery_partition": row["partition"], "delivery_offset": row["offset"]}
    lab.write(topics.ATTEMPTS, first.id, attempt(first, "retrying", **place))
    lab.flush()
    until(lambda: console.get("/deliveries", endpoint="followed", state="retrying")["data"])
    second = msgspec.structs.replace(first, attempt=2)
    lab.write(topics.ATTEMPTS, first.id, attempt(second, response_head=b"\xff\xfe", **place))
    lab.flush()
    until(lambda: console.get("/deliveries", endpoint="followed", state="delivered")["data"])

    shown = console.get(f"/deliveries/{first.id}")
    assert shown["payload"] == '{"naïve":true}'
    assert base64.b64decode(shown["payload_base64"]) == first.payload
    assert shown["request_headers"]["webhook-id"] == first.webhook_id
    assert [(a["attempt"], a["state"], a["status"], a["tls_ms"]) for a in shown["attempts"]] == [
        (1, "retrying", 500, 3.0),
        (2, "delivered", 200, 3.0),
    ]
    assert (shown["attempts"][0]["response_head"], shown["attempts"][1]["response_head"]) == ("hello", None)
    assert base64.b64decode(shown["attempts"][1]["response_head_base64"]) == b"\xff\xfe"
    assert (shown["last_status"], shown["last_error"], shown["spent"]) == (200, None, 2)
    health = console.get("/endpoints/followed/health")
    assert (health["waiting"], health["state"]) == (0, "active")
    assert console.api.get("/api/v1/deliveries/dlv_none").status_code == 404


def kill(lab: Lab, event: str, endpoint: str, **fields) -> object:
    """A delivery with one attempt, given up."""
    first = delivery(event, endpoint, **fields)
    lab.write(topics.ATTEMPTS, first.id, attempt(first, "dead"))
    lab.write(topics.DEAD, endpoint, msgspec.structs.replace(first, attempt=2, cause="exhausted", last_status=500))
    return first


def test_a_dead_delivery_is_sent_again_under_the_same_id(console: Console, lab: Lab) -> None:
    make_endpoint(console, "again")
    first = kill(lab, "evt_again", "again")
    lab.flush()
    [row] = until(lambda: console.get("/dead", endpoint="again", cause="exhausted")["data"])
    assert (row["cause"], row["spent"], row["topic"]) == ("exhausted", 1, "deliveries.dead")
    queued = console.post(f"/deliveries/{first.id}/retry", {}, 202)
    assert (queued["attempt"], queued["webhook_id"]) == (2, first.webhook_id)
    [copy] = [d for d in lab.read(topics.DELIVERIES) if d.id == first.id]
    assert (copy.payload, copy.attempt, copy.step, copy.not_before, copy.cause) == (first.payload, 2, 0, 0, None)
    assert console.get(f"/deliveries/{first.id}")["state"] == "queued"  # who retries sees it at once
    assert console.get("/dead", endpoint="again")["data"] == []
    assert "force" in console.post(f"/deliveries/{first.id}/retry", {}, 409)["detail"]
    assert console.post(f"/deliveries/{first.id}/retry", {"force": True}, 202)["attempt"] == 2


def test_no_retry_to_where_nobody_is(console: Console, lab: Lab) -> None:
    first = kill(lab, "evt_nobody", "nobody")
    lab.flush()
    until(lambda: console.get("/dead", endpoint="nobody", cause="exhausted")["data"])
    assert "deleted" in console.post(f"/deliveries/{first.id}/retry", {}, 409)["detail"]


def test_redrive_sends_all_that_match_once(console: Console, lab: Lab) -> None:
    make_endpoint(console, "mass")
    events = [f"evt_mass{i}" for i in range(450)]  # more than two pages
    wanted = {kill(lab, event, "mass", object_key="order/7").id for event in events}
    kill(lab, "evt_other", "mass", event_type="order.updated")
    lab.flush()
    until(lambda: len(console.get("/dead", endpoint="mass", cause="exhausted", limit=500)["data"]) == 451)

    asked = {"endpoint_id": "mass", "event_type": "order.created"}
    counted = console.post("/dead/redrive", {**asked, "dry_run": True}, 202)
    assert (counted["state"], counted["matched"], counted["sent"]) == ("counted", 450, 0)
    job = console.post("/dead/redrive", asked, 202)
    done = until(lambda: (j := console.get(f"/redrives/{job['id']}"))["state"] != "running" and j)
    assert (done["state"], done["sent"], done["gone"], done["skipped"]) == ("done", 450, 0, 0)
    sent = [d for d in lab.read(topics.REPLAY) if d.endpoint_id == "mass"]
    assert sorted(d.id for d in sent) == sorted(wanted)
    assert {(d.lane, d.replay_id, d.attempt, d.step, d.cause) for d in sent} == {("replay", job["id"], 2, 0, None)}
    assert len(console.get("/dead", endpoint="mass")["data"]) == 1
    assert console.post("/dead/redrive", {**asked, "dry_run": True}, 202)["matched"] == 0


def test_a_row_older_than_its_record_says_so(console: Console, lab: Lab) -> None:
    """An attempt of a delivery whose record Kafka no longer has."""
    make_endpoint(console, "expired")
    first = delivery("evt_expired", "expired")
    lab.write(
        topics.ATTEMPTS, first.id, attempt(first, "dead", delivery_topic=lab.kafka.prefix + "deliveries", delivery_offset=99_999)
    )
    lab.flush()
    until(lambda: console.get("/dead", endpoint="expired")["data"])
    started = time.monotonic()
    shown = console.get(f"/deliveries/{first.id}")
    assert time.monotonic() - started < 5
    assert (shown["payload"], shown["payload_base64"], shown["topic"]) == (None, None, "deliveries")
    assert "no longer in Kafka" in console.post(f"/deliveries/{first.id}/retry", {}, 410)["detail"]
