"""`hub sources`, `endpoints`, `deliveries`, `redrive` against a real console: what they print and how they fail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from hub import commands_deliveries, commands_endpoints, commands_sources
from hub.errors import HubError
from schemas import topics
from tests.console_lab import KEY, Console, attempt, delivery, until
from tests.lab import Lab
from tests.pem import certificate_pem, key_pem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration
Run = "Callable[..., Any]"


@pytest.fixture(scope="module")
def lab(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(bootstrap, tmp_path_factory.mktemp("commands"), admin_key=KEY)
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def console(lab: Lab) -> Iterator[Console]:
    console = Console(lab)
    yield console
    console.close()


@pytest.fixture
def run(console: Console, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("HUB_HOME", str(lab.settings.home))
    monkeypatch.setenv("HUB_CONSOLE_URL", console.url)
    monkeypatch.setenv("HUB_ADMIN_KEY", KEY)
    app = typer.Typer()
    app.add_typer(commands_sources.app, name="sources")
    app.add_typer(commands_endpoints.app, name="endpoints")
    app.add_typer(commands_deliveries.app, name="deliveries")
    app.command("redrive")(commands_deliveries.redrive)

    def run(*words: str, given: str | None = None, text: bool = False) -> Any:
        answer = CliRunner().invoke(app, [*words] if text else [*words, "--json"], input=given)
        if answer.exception is not None:
            raise answer.exception
        assert answer.exit_code == 0, answer.output
        return answer.output if text else json.loads(answer.output)

    return run


def test_the_life_of_an_endpoint(run: Callable[..., Any]) -> None:
    made = run(
        "endpoints",
        "create",
        "https://shop.example/h",
        "--id",
        "cli",
        "-e",
        "order.*",
        "--header",
        "X-Key: a:b",
        "--schedule",
        "5s,1m",
    )
    assert made["secret"].startswith("whsec_")
    assert (made["event_types"], made["retry_schedule"]) == (["order.*"], [5.0, 60.0])
    assert run("endpoints", "show", "cli")["health"]["waiting"] == 0
    assert run("endpoints", "update", "cli", "--timeout", "3")["timeout_s"] == 3.0
    assert run("endpoints", "health", "cli")["breaker"] == "closed"
    assert "failing_from_at" in run("endpoints", "health", "cli", text=True)
    assert run("endpoints", "pause", "cli", "--reason", "stocktaking")["state_reason"] == "stocktaking"
    assert [e["id"] for e in run("endpoints", "list", "--state", "paused")] == ["cli"]
    assert run("endpoints", "resume", "cli")["state"] == "active"
    assert len(run("endpoints", "rotate", "cli", "--overlap", "60")["secrets"]) == 2
    assert run("endpoints", "test", "cli")["delivery_id"].startswith("dlv_")
    assert run("endpoints", "disable", "cli")["state"] == "disabled"
    assert run("endpoints", "enable", "cli")["redrive_id"] is None
    assert run("endpoints", "enable", "cli", "--recover")["redrive_id"].startswith("rdv_")
    assert run("endpoints", "rotate", "cli", "--signature", "v1a")["public_key"].startswith("whpk_")
    assert "order.*" in run("endpoints", "list", text=True)
    assert "success_rate_1h" in run("endpoints", "show", "cli", text=True)
    assert run("endpoints", "delete", "cli") == {"id": "cli", "deleted": True}
    assert run("endpoints", "list") == []


def test_settings_and_credentials_by_options(run: Callable[..., Any], tmp_path: Path) -> None:
    for name, text in {"c.pem": certificate_pem(), "k.pem": key_pem(), "auth": "bearer:t0k3n"}.items():
        (tmp_path / name).write_text(text)
    made = run(
        "endpoints", "create", "https://shop.example/h", "--id", "cli3", "--ordering", "latest", "--rate-limit", "0.5", "--batch-max", "20",
        "--batch-wait-ms", "500", "--signature", "v1a", "--auth", "basic:hub:pa:ss", "--ca", str(tmp_path / "c.pem"),
    )  # fmt: skip
    assert (made["ordering"], made["rate_limit"], made["batch_max"], made["batch_wait_ms"]) == ("latest", 0.5, 20, 500)
    assert (made["auth"], made["public_key"][:5], made["ca"][0]["subject"]) == (
        {"type": "basic", "username": "hub"}, "whpk_", "CN=client",
    )  # fmt: skip

    def auth(text: str, given: str = "") -> dict[str, Any]:
        return run("endpoints", "update", "cli3", "--auth", text, given=given)["auth"]

    assert auth(f"@{tmp_path / 'auth'}") == {"type": "bearer"}
    oauth2 = {"type": "oauth2", "token_url": "https://l.example/t", "client_id": "c", "client_secret": "hush"}
    assert auth("-", json.dumps(oauth2)) == {"type": "oauth2", "token_url": "https://l.example/t", "client_id": "c"}
    assert auth(f"mtls:{tmp_path / 'c.pem'}:{tmp_path / 'k.pem'}")["certificates"][0]["subject"] == "CN=client"
    assert auth("none") == {"type": "none"}
    plain = run("endpoints", "update", "cli3", "--rate-limit", "none", "--ca", "none")
    assert (plain["rate_limit"], plain["ca"]) == (None, [])


def test_what_waits_in_order_is_skipped_and_parked(run: Callable[..., Any], lab: Lab) -> None:
    run("endpoints", "create", "https://shop.example/h", "--id", "cli4", "--ordering", "key")
    first = delivery("evt_line", "cli4")
    lab.write(topics.DELIVERIES, "cli4", first)
    lab.flush()
    until(lambda: run("deliveries", "list", "--endpoint", "cli4"))
    assert run("deliveries", "park", first.id)["command"] == "park"
    assert run("deliveries", "retry", first.id)["attempt"] == 1
    assert "behind" in run("deliveries", "skip", first.id, text=True)


def test_the_life_of_a_source(run: Callable[..., Any]) -> None:
    made = run("sources", "create", "shopify", "--secret", "-", given="shpss_secret\n")
    assert (made["id"], made["path"]) == ("shopify", "/in/shopify")
    assert run("sources", "update", "shopify", "--disable", "--allow-ip", "203.0.113.0/24")["enabled"] is False
    assert len(run("sources", "rotate", "shopify", "shpss_next")["secrets"]) == 2
    assert "shpss" not in run("sources", "show", "shopify", text=True)
    assert run("sources", "delete", "shopify")["deleted"] is True


def test_deliveries_are_listed_shown_and_sent_again(run: Callable[..., Any], lab: Lab) -> None:
    run("endpoints", "create", "https://shop.example/h", "--id", "cli2")
    first = delivery("evt_cli", "cli2", object_key="order/[red]9[/]")
    lab.write(topics.ATTEMPTS, first.id, attempt(first, "dead"))
    lab.write(topics.DEAD, "cli2", msgspec.structs.replace(first, attempt=2, cause="exhausted"))
    lab.flush()
    [row] = until(lambda: [d for d in run("deliveries", "list", "--endpoint", "cli2", "--state", "dead") if d["cause"]])
    assert row["id"] == first.id
    assert "order/[red]9[/]" in run("deliveries", "list", text=True)
    shown = run("deliveries", "show", first.id, text=True)
    assert '{"event":"evt_cli"}' in shown
    assert "answered 500" in shown
    assert run("redrive", "--endpoint", "cli2", "--dry-run")["matched"] == 1
    assert run("redrive", "--endpoint", "cli2")["sent"] == 1
    until(lambda: run("deliveries", "list", "--endpoint", "cli2", "--state", "queued"))
    assert run("deliveries", "retry", first.id, "--force")["webhook_id"] == first.webhook_id


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["endpoints", "create", "ftp://x"], "url must begin with https://"),
        (["endpoints", "show", "nobody"], "there is no endpoint 'nobody'"),
        (["endpoints", "update", "x"], "Nothing to change"),
        (["endpoints", "update", "x", "--auth", "digest:a"], "basic:USER:PASSWORD"),
        (["endpoints", "update", "x", "--auth", "{"], "no JSON object"),
        (["endpoints", "update", "x", "--auth", "mtls:/none.pem:/none.pem"], "cannot read"),
        (["endpoints", "update", "x", "--rate-limit", "fast"], "requests per second, or none"),
        (["deliveries", "skip", "dlv_x"], "there is no delivery"),
        (["endpoints", "create", "https://x.example", "--header", "oops"], "Name: value"),
        (["sources", "create", "shopify"], "secrets at least one is required"),
        (["sources", "create", "generic-hmac", "--secret", "x", "-o", "oops"], "NAME=VALUE"),
        (["deliveries", "retry", "dlv_x"], "there is no delivery"),
    ],
)
def test_what_is_wrong_is_one_sentence(run: Callable[..., Any], words: list[str], told: str) -> None:
    with pytest.raises(HubError, match=told.replace("'", ".")):
        run(*words)


def test_where_the_console_is_and_what_it_asks_for(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_ADMIN_KEY", "wrong")
    with pytest.raises(HubError, match="not the admin key"):
        run("endpoints", "list")
    monkeypatch.setenv("HUB_CONSOLE_URL", "http://127.0.0.1:9")
    with pytest.raises(HubError, match="HUB_CONSOLE_URL"):
        run("endpoints", "list")
    monkeypatch.delenv("HUB_ADMIN_KEY")
    with pytest.raises(HubError, match="HUB_ADMIN_KEY"):
        run("endpoints", "list")
