"""`hub demo`: a whole hub, a receiver of our own, and signed Shopify orders travelling from one end to the other.

It has a folder of its own, .hub/demo unless HUB_HOME is set, and takes free ports where the usual ones are taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from rich.console import Console
from rich.live import Live

from hub import demo_round, ports, recipes, up
from hub.api_client import Api
from hub.demo_round import Round, Tally
from hub.errors import HubError
from hub.listener import Listener
from runtime.settings import HubSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.supervisor import Hub

HOME: Final = Path(".hub/demo")
CACHE: Final = Path(".hub/cache")
LOOPBACK: Final = "127.0.0.0/8"
MARK: Final = "made by hub demo"
ORDERS: Final = 100
PER_S: Final = 20.0
TRICKLE_PER_S: Final = 1.0


def run(*, once: bool) -> bool:
    """The demo; whether every order arrived. Without `once` it goes on until Ctrl-C."""
    out = Console(highlight=False, soft_wrap=True)
    environment, settings, own = _settings(dict(os.environ))
    arrived = False

    async def show(hub: Hub) -> None:
        nonlocal arrived
        arrived = await _show(hub, out, once=once)

    asyncio.run(up.run(settings, own, environment=environment, then=show, out=out))
    return arrived


def _settings(environ: dict[str, str]) -> tuple[dict[str, str], Settings, HubSettings]:
    """The environment's settings, with a folder and ports that disturb nobody and leave to post to loopback."""
    allowed = filter(None, (environ.get("HUB_EGRESS_ALLOW"), LOOPBACK))
    env = {**environ, "HUB_EGRESS_ALLOW": ",".join(allowed)}
    settings, own = Settings.from_env(env), HubSettings.from_env(env)
    if not environ.get("HUB_HOME"):
        settings = msgspec.structs.replace(settings, home=HOME)
        own = msgspec.structs.replace(own, cache=own.cache or CACHE)
    free = {
        f"{name}_port": 0
        for name in recipes.STAGES
        if not environ.get(f"HUB_{name.upper()}_PORT") and not ports.is_free(getattr(settings, f"{name}_port"), settings.host)
    }
    return env, msgspec.structs.replace(settings, **free), own


async def _show(hub: Hub, out: Console, *, once: bool) -> bool:
    tally = Tally()
    listener = Listener(tally.take)
    async with listener.listening():
        with Api(hub.url("console"), hub.admin_key) as api:
            await asyncio.to_thread(_tidy, api)
            secret = secrets.token_hex(24)
            source, endpoint = await asyncio.to_thread(_set_up, api, secret, listener.url)
            listener.secrets = (endpoint["secret"],)
            orders = Round(f"{hub.url('ingress')}{source['path']}", secret, tally)
            try:
                out.print(f"\nShopify orders go to {orders.url}, signed webhooks to {listener.url}\n")
                ok = await _round(orders, tally, out)
                _tell(hub, tally, out)
                if not once:
                    await _trickle(orders, tally, out)
            finally:
                with contextlib.suppress(HubError):  # the console is gone: the next demo tidies up
                    await asyncio.to_thread(_tidy, api)
    return ok


def _set_up(api: Api, secret: str, url: str) -> tuple[dict[str, str], dict[str, str]]:
    source = api.post("/sources", {"provider": "shopify", "id": "demo-shop", "secrets": [secret], "description": MARK})
    endpoint = api.post("/endpoints", {"url": f"{url}/orders", "event_types": [demo_round.EVENT], "description": MARK})
    return source, endpoint


def _tidy(api: Api) -> None:
    """Remove what this demo, or one that was killed, has made."""
    for kind in ("sources", "endpoints"):
        for item in api.get(f"/{kind}")["data"]:
            if item["description"] == MARK:
                api.delete(f"/{kind}/{item['id']}")


async def _round(orders: Round, tally: Tally, out: Console) -> bool:
    with _shown(tally, out):
        return await orders.run(ORDERS, PER_S)


@contextlib.contextmanager
def _shown(tally: Tally, out: Console) -> Iterator[None]:
    """The arrivals, live on a terminal, at the end elsewhere."""
    if out.is_terminal:
        with Live(console=out, get_renderable=tally.picture, refresh_per_second=8):
            yield
        return
    try:
        yield
    finally:
        out.print(tally.picture())


def _tell(hub: Hub, tally: Tally, out: Console) -> None:
    verdict = "[bold green]every order arrived[/]" if tally.complete else f"[bold red]orders are missing[/] {tally.trouble}"
    out.print(f"\n{verdict}\ndashboard  {hub.url('console')}\nadmin key  {hub.admin_key}\n")


async def _trickle(orders: Round, tally: Tally, out: Console) -> None:
    """Keep the dashboard alive until Ctrl-C."""
    out.print("an order a second goes on coming; stop it with Ctrl-C\n")
    with _shown(tally, out):
        while True:
            try:
                await orders.run(60, TRICKLE_PER_S)
            except HubError as e:
                out.print(str(e))  # the ingress is being restarted: the hub itself says so
                await asyncio.sleep(1.0)
