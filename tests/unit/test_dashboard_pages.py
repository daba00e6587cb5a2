"""Every page over a filled read model, through the routes, without Kafka."""

from __future__ import annotations

import asyncio
import re
import time

import httpx
import pytest
from starlette.applications import Starlette

from console.pages import routes
from tests.browser.memory import ADMIN_KEY, NOW, endpoint_config, memory_deps, source_config
from tests.browser.story import RECEIVERS, Story, standings


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    deps = memory_deps(tmp_path_factory.mktemp("home"))
    for receiver in RECEIVERS:
        asyncio.run(deps.config.put_endpoint(endpoint_config(receiver, deps.config.box, NOW)))
    asyncio.run(deps.config.put_source(source_config("shop-eu", "shopify", deps.config.box, NOW)))
    deps.standings.items = {s.id: s for s in standings(NOW)}
    story = Story(deps.payloads, NOW)
    story.tell()
    return deps, story


async def logged_in(deps) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Starlette(routes=routes(deps)))
    client = httpx.AsyncClient(transport=transport, base_url="http://hub.test")
    page = await client.get("/login")
    answer = await client.post("/login", data={"csrf": token(page.text), "key": ADMIN_KEY, "next": ""})
    assert answer.status_code == 303, answer.text
    return client


def token(html: str) -> str:
    return re.search(r'name="csrf" value="([^"]+)"', html)[1]


async def test_every_page_answers(filled):
    deps, story = filled
    client = await logged_in(deps)
    dead = story.first["dead"]
    paths = [
        "/", "/?range=24h", "/deliveries", "/deliveries?range=24h&state=waiting", "/endpoints", "/endpoints/ep_erp", "/endpoints/new",
        "/endpoints/ep_erp/edit", "/endpoints/ep_erp/rotate", "/endpoints/ep_erp/delete", "/endpoints/ep_closed", "/endpoints/ep_stock", "/sources", "/sources/shop-eu", "/sources/new",
        "/sources/new?provider=generic-hmac", "/sources/shop-eu/edit", "/sources/shop-eu/rotate", "/sources/shop-eu/delete", "/dead",
        f"/deliveries/{dead.id}", f"/deliveries/{dead.id}?view=curl", f"/deliveries/{story.first['superseded'].id}", "/deliveries?state=superseded", "/unrouted", "/quarantined", "/rejected", "/rejected/rej_1", "/raw/0/14",
    ]  # fmt: skip
    for path in paths:
        await client.get(path)  # the first of its kind compiles the template
        begun = time.process_time()  # of this process, whatever else the machine does
        answer = await client.get(path)
        took = (time.process_time() - begun) * 1000
        assert answer.status_code == 200, (path, answer.text[:2000])
        assert len(answer.content) < 100_000, path
        assert took < 100, (path, took)
        assert "<script>alert" not in answer.text, path
