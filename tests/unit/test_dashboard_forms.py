"""Forms: what is typed becomes what the actions take, mistakes come back beside their field, secrets never come back."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

import httpx
import pytest
from starlette.applications import Starlette

from console.pages import routes
from console.pages.endpoint_auth import auth_of
from console.pages.endpoint_form import errors_of, overlap_of, settable, typed
from console.pages.site import Form
from console.problems import ConflictError, InvalidError
from schemas.auth import Basic, Bearer, Mtls, OAuth2
from tests.browser.memory import ADMIN_KEY, NOW, endpoint_config, memory_deps, source_config
from tests.browser.story import RECEIVERS


def form(text: str) -> Form:
    return Form(parse_qs(text, keep_blank_values=True))


FULL = (
    "url=+https://a.example/h+&description=d&event_type=order.*&event_type=payment.failed&other_types=my.own,+order.*&channels=pos,%20web"
    "&headers=X-Key:+a:b%0AX-Kept:&timeout_s=7.5&max_in_flight=8&retry_schedule=5s,+1m&batch_max=1&batch_wait_ms=0"
)


def test_a_form_becomes_what_the_actions_take():
    assert settable(form(FULL), {"X-Kept": "old"}) == {
        "url": "https://a.example/h", "description": "d", "event_types": ["order.*", "payment.failed", "my.own"], "channels": ["pos", "web"],
        "headers": {"X-Key": "a:b", "X-Kept": "old"}, "timeout_s": 7.5, "max_in_flight": 8, "retry_schedule": ["5s", "1m"],
        "ordering": "none", "rate_limit": None, "batch_max": 1, "batch_wait_ms": 0, "auth": None, "ca": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ("timeout_s=soon", "timeout_s", "Want a number"),
        ("max_in_flight=", "max_in_flight", "Want a number"),
        ("headers=nonsense", "headers", "'nonsense' is no header: write it as Name: value"),
        ("headers=X-New:", "headers", "X-New needs a value"),
        ("batch_max=many", "batch_max", "Want a number"),
    ],
)
def test_what_cannot_be_read_names_its_field(change, field, words):
    name = change.split("=")[0]
    with pytest.raises(InvalidError) as caught:
        settable(form(re.sub(rf"{name}=[^&]*", change, FULL)), {})
    assert words in errors_of(caught.value)[field]


@pytest.mark.parametrize(
    ("typed_in", "kept", "wanted"),
    [
        ("", Bearer(token="old"), None),
        ("auth_type=none&auth_token=x", Bearer(token="old"), None),
        ("auth_type=basic&auth_username=u&auth_password=p", None, Basic(username="u", password="p")),
        ("auth_type=basic&auth_username=u", None, Basic(username="u", password="")),
        ("auth_type=basic&auth_username=new", Basic(username="u", password="old"), Basic(username="new", password="old")),
        ("auth_type=bearer", Bearer(token="old"), Bearer(token="old")),
        (
            "auth_type=oauth2&auth_token_url=https://l.example&auth_client_id=c&auth_client_secret=s",
            None,
            OAuth2(token_url="https://l.example", client_id="c", client_secret="s"),
        ),
        ("auth_type=mtls&auth_certificate=C", Mtls(certificate="old", private_key="K"), Mtls(certificate="C", private_key="K")),
    ],
)
def test_a_secret_left_empty_is_kept_while_the_kind_is_the_same(typed_in, kept, wanted):
    wrong = []
    assert auth_of(form(typed_in), kept, wrong) == wanted
    assert wrong == []


def test_a_secret_that_is_not_there_is_asked_for():
    with pytest.raises(InvalidError) as caught:
        settable(form(FULL + "&auth_type=bearer"), {}, Basic(username="u", password="p"))
    assert "nothing is stored" in errors_of(caught.value)["auth_token"]


def test_mistakes_are_gathered_by_field_of_the_form():
    problem = InvalidError(
        [
            ("event_types[0]", "is wrong"),
            ("event_types[2]", "too"),
            ("headers.X-A", "no"),
            ("options.header", "needed"),
            ("auth.token", "bad"),
            ("body", "?"),
        ]
    )
    assert errors_of(problem) == {
        "event_types": "Is wrong; Too",
        "headers": "No",
        "options.header": "Needed",
        "auth_token": "Bad",
        "body": "?",
    }
    assert errors_of(ConflictError("it exists")) == {"": "it exists"}


def test_what_was_typed_comes_back_but_for_what_is_secret():
    secrets = "&auth_password=hush1&auth_token=hush2&auth_client_secret=hush3&auth_private_key=hush4"
    again = typed(form(FULL + "&auth_type=basic&auth_username=u" + secrets))
    assert (again["auth_type"], again["auth_username"]) == ("basic", "u")
    assert "hush" not in str(again)
    assert again["url"] == "https://a.example/h"
    assert again["event_types"] == ["order.*", "payment.failed", "my.own", "order.*"]
    assert again["headers"] == "X-Key: \nX-Kept: "


def test_an_overlap_is_one_of_the_list():
    assert overlap_of(form("overlap=3600")) == 3600
    assert overlap_of(form("")) == 86_400
    assert overlap_of(form("overlap=nan")) is None


@pytest.fixture
async def client(tmp_path):
    deps = memory_deps(tmp_path)
    await deps.config.put_endpoint(endpoint_config(RECEIVERS[0], deps.config.box, NOW))
    await deps.config.put_source(source_config("shop", "shopify", deps.config.box, NOW))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=routes(deps))), base_url="http://hub.test")
    client.deps = deps
    page = await client.get("/login")
    client.token = re.search(r'name="csrf" value="([^"]+)"', page.text)[1]
    await client.post("/login", data={"csrf": client.token, "key": ADMIN_KEY})
    client.token = re.search(r'name="csrf" value="([^"]+)"', (await client.get("/")).text)[1]
    yield client
    await client.aclose()


async def test_a_refused_endpoint_shows_why_and_keeps_what_was_typed(client):
    answer = await client.post(
        "/endpoints/new",
        data={"csrf": client.token, "url": "ftp://x", "timeout_s": "99", "max_in_flight": "1", "headers": "X-A: hush"},
    )
    assert answer.status_code == 422
    assert "Must begin with https:// or http://" in answer.text
    assert "Want 1 to 30" in answer.text
    assert 'value="ftp://x"' in answer.text
    assert "hush" not in answer.text
    assert len(client.deps.endpoints.items) == 1


async def test_stored_header_values_are_kept_and_never_shown(client):
    page = (await client.get("/endpoints/ep_erp/edit")).text
    assert "x-api-key: " in page
    assert "top-secret-value" not in page
    data = {
        "csrf": client.token,
        "url": "https://b.example/",
        "event_type": "*",
        "timeout_s": "5",
        "max_in_flight": "4",
        "headers": "x-api-key:",
    }
    assert (await client.post("/endpoints/ep_erp/edit", data=data)).status_code == 303
    changed = client.deps.endpoints.items["ep_erp"]
    assert (changed.config.url, changed.headers) == ("https://b.example/", {"x-api-key": "top-secret-value"})


async def test_a_refused_source_shows_why_and_never_its_secret(client):
    data = {
        "csrf": client.token,
        "provider": "generic-hmac",
        "id": "Bad Id",
        "secrets": "hush-hush",
        "tenant": "default",
        "ip_allowlist": "nonsense",
    }
    answer = await client.post("/sources/new", data=data)
    assert answer.status_code == 422
    for words in ("Want 1 to 64 of a-z", "Is required: Header that carries the signature.", "is no address range"):
        assert words in answer.text
    assert "hush-hush" not in answer.text
    again = await client.post(
        "/sources/new", data={"csrf": client.token, "provider": "shopify", "id": "shop", "secrets": "a-secret-of-shopify"}
    )
    assert "A source of this id exists: choose another" in again.text
    assert "PATCH" not in again.text


async def test_an_unknown_provider_asks_again(client):
    answer = await client.post("/sources/new", data={"csrf": client.token, "provider": "nobody", "secrets": "x"})
    assert answer.status_code == 422
    assert "Who sends the webhooks?" in answer.text


async def test_the_flash_of_a_change_is_shown_once(client):
    await client.post("/endpoints/ep_erp/pause", data={"csrf": client.token})
    assert "is paused: its deliveries wait" in (await client.get("/endpoints/ep_erp")).text
    assert "is paused: its deliveries wait" not in (await client.get("/endpoints/ep_erp")).text
    client.cookies.set("hookstream_flash", "nonsense", domain="hub.test")
    assert (await client.get("/endpoints/ep_erp")).status_code == 200


async def test_colours_are_remembered_and_only_known_ones(client):
    answer = await client.post("/theme", data={"csrf": client.token, "theme": "dark", "back": "/endpoints"})
    assert answer.headers["location"] == "/endpoints"
    assert 'data-theme="dark"' in (await client.get("/endpoints")).text
    client.cookies.set("hookstream_theme", '"><script>', domain="hub.test")
    assert "<script>" not in (await client.get("/endpoints")).text
