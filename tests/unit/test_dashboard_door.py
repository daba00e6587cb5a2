"""Sessions, form tokens, headers and where a form may send a person."""

from __future__ import annotations

import asyncio
import re

import httpx
import msgspec
import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from console.pages import routes
from console.pages.headers import POLICY
from console.pages.session import LIFETIME_MS, Attempts, Sessions
from console.pages.site import local
from runtime.clock import ManualClock
from runtime.secrets import SecretBox
from tests.browser.memory import ADMIN_KEY, NOW, endpoint_config, memory_deps
from tests.browser.story import RECEIVERS

KEY = Fernet.generate_key().decode()


@pytest.fixture
def deps(tmp_path):
    deps = memory_deps(tmp_path)
    asyncio.run(deps.config.put_endpoint(endpoint_config(RECEIVERS[0], deps.config.box, NOW)))
    return deps


@pytest.fixture
def client(deps) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=routes(deps))), base_url="http://hub.test")


def token(html: str) -> str:
    return re.search(r'name="csrf" value="([^"]+)"', html)[1]


async def login(client, key=ADMIN_KEY, **fields) -> httpx.Response:
    page = await client.get("/login")
    return await client.post("/login", data={"csrf": token(page.text), "key": key, **fields})


def sealed(box: SecretBox, session) -> str:
    return box.encrypt("dashboard-session:" + msgspec.json.encode(session).decode())


# --- sessions


def sessions(admin_key: str = "the-key") -> tuple[Sessions, SecretBox, ManualClock]:
    box, clock = SecretBox([KEY]), ManualClock()
    return Sessions(box=box, clock=clock, admin_key=admin_key), box, clock


def test_a_session_opens_until_it_expires():
    found, box, clock = sessions()
    session = found.login("the-key")
    assert found.open(sealed(box, session)) == session
    clock.advance(LIFETIME_MS / 1000 - 1)
    assert found.open(sealed(box, session)) == session
    clock.advance(1)
    assert found.open(sealed(box, session)) is None


def test_another_key_is_refused_and_a_changed_key_ends_sessions():
    found, box, _ = sessions()
    assert found.login("") is None
    assert found.login("the-kez") is None
    changed, *_ = sessions("another-key")
    assert changed.open(sealed(box, found.login("the-key"))) is None


def test_a_session_ended_stays_ended():
    found, box, _ = sessions()
    session = found.login("the-key")
    found.end(session)
    assert found.open(sealed(box, session)) is None


@given(st.text(max_size=300))
def test_no_text_opens_a_session(cookie):
    assert sessions()[0].open(cookie) is None


def test_a_sealed_secret_of_another_kind_opens_no_session():
    found, box, _ = sessions()
    forged = msgspec.json.encode(found.login("the-key")).decode()
    assert found.open(box.encrypt(forged)) is None
    assert found.open(SecretBox([Fernet.generate_key().decode()]).encrypt("dashboard-session:" + forged)) is None


def test_failed_logins_wait_by_address():
    clock = ManualClock()
    attempts = Attempts(clock, most=3, window_s=60, addresses=2)
    for _ in range(3):
        assert attempts.wait_s("a") == 0
        attempts.failed("a")
        clock.advance(1)
    assert 55 <= attempts.wait_s("a") <= 60
    assert attempts.wait_s("b") == 0
    clock.advance(60)
    assert attempts.wait_s("a") == 0
    for address in "abc":
        attempts.failed(address)
    assert len(attempts._failed) == 2


# --- the gate


async def test_pages_want_a_login_and_come_back_to_where_one_was(client):
    answer = await client.get("/deliveries?state=dead")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Fdeliveries%3Fstate%3Ddead"
    answer = await login(client, next="/deliveries?state=dead")
    assert answer.headers["location"] == "/deliveries?state=dead"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert ADMIN_KEY not in cookie


async def test_the_login_form_needs_its_token_and_waits_after_failures(client):
    assert (await client.post("/login", data={"key": ADMIN_KEY})).headers["location"] == "/login"  # no session at all
    await client.get("/login")
    assert (await client.post("/login", data={"key": ADMIN_KEY, "csrf": "guess"})).status_code == 403
    for _ in range(5):
        assert (await login(client, "wrong")).status_code == 401
    answer = await login(client)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


async def test_an_anonymous_session_posts_nothing_but_the_login(client, deps):
    page = await client.get("/login")
    answer = await client.post("/endpoints/ep_erp/pause", data={"csrf": token(page.text)})
    assert answer.headers["location"] == "/login"
    assert deps.endpoints.items["ep_erp"].config.state == "active"


@pytest.mark.parametrize("form", [{}, {"csrf": ""}, {"csrf": "a" * 32}])
async def test_a_form_without_the_token_changes_nothing(client, deps, form):
    await login(client)
    assert (await client.post("/endpoints/ep_erp/pause", data=form)).status_code in {400, 403}
    assert deps.endpoints.items["ep_erp"].config.state == "active"


async def test_a_form_of_another_site_or_shape_changes_nothing(client, deps):
    await login(client)
    good = {"csrf": token((await client.get("/endpoints/ep_erp")).text)}
    assert (await client.post("/endpoints/ep_erp/pause", data=good, headers={"sec-fetch-site": "cross-site"})).status_code == 403
    assert (await client.post("/endpoints/ep_erp/pause", json=good)).status_code == 400
    assert (await client.post("/endpoints/ep_erp/pause", data={**good, "x": "y" * 70_000})).status_code == 400
    assert (await client.get("/endpoints/ep_erp/pause")).status_code in {404, 405}
    assert deps.endpoints.items["ep_erp"].config.state == "active"
    answer = await client.post("/endpoints/ep_erp/pause", data=good)
    assert answer.status_code == 303
    assert deps.endpoints.items["ep_erp"].config.state == "paused"


@pytest.mark.parametrize("path", ["/", "/login", "/nothing/here", "/static/style.css", "/static/none.css"])
async def test_every_response_has_the_security_headers(client, path):
    answer = await client.get(path)
    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    if not path.startswith("/static"):
        assert answer.headers["cache-control"] == "no-store"


async def test_static_files_are_kept_under_their_version(client):
    page = (await client.get("/login")).text
    url = re.search(r'href="(/static/style.css\?v=\w+)"', page)[1]
    answer = await client.get(url)
    assert "immutable" in answer.headers["cache-control"]
    assert len(answer.content) < 30_000
    assert (await client.get("/static/time.js")).headers["cache-control"] == "no-cache"
    assert (await client.get("/static/../pages/site.py")).status_code in {303, 404}


async def test_pages_hold_no_inline_script_or_style(client):
    await login(client)
    for path in ("/", "/endpoints", "/endpoints/ep_erp", "/endpoints/new", "/login"):
        page = (await client.get(path)).text
        assert re.findall(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|javascript:", page) == [], path


@pytest.mark.parametrize(
    "url",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "", "evil", "/\tevil", "/a\r\nb: c"],
)
def test_a_form_sends_nobody_elsewhere(url):
    assert local(url, "/safe") == "/safe"


def test_a_form_comes_back_to_where_it_was():
    assert local("/deliveries?state=dead&q=a/b", "/") == "/deliveries?state=dead&q=a/b"


async def test_unknown_things_are_pages_with_a_way_back(client):
    await login(client)
    for path in (
        "/endpoints/none",
        "/sources/none",
        "/deliveries/none",
        "/rejected/none",
        "/raw/0/999",
        "/dead/redrives/none",
        "/nothing",
    ):
        answer = await client.get(path)
        assert answer.status_code in {404, 410}, path
        assert 'class="btn"' in answer.text
    assert (await client.get("/deliveries?cursor=nonsense")).status_code == 400
    assert (await client.get("/deliveries/newer?after=nonsense")).status_code == 400


async def test_a_page_that_fails_says_so_and_no_more(client, deps, monkeypatch):
    await login(client)
    monkeypatch.setattr(type(deps.queries), "deliveries", lambda *_, **__: 1 / 0)
    answer = await client.get("/deliveries")
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.text
