"""A real console over real Kafka filled with the story, and a real browser that notes everything that goes wrong."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from schemas import topics
from tests.browser.memory import endpoint_config, source_config
from tests.browser.story import RECEIVERS, Story, standings
from tests.browser.visitor import Visitor
from tests.console_lab import KEY, Console, until
from tests.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Browser

    from schemas.records import Record
    from schemas.topics import Topic

ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHOTS = Path(__file__).resolve().parents[1] / "screenshots"


class KafkaLog:
    """Writes the story to Kafka and tells where each record lies."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._producer = lab, lab.kafka.producer()

    def put(self, topic: Topic[Record], records: Sequence[tuple[str, Record]]) -> list[tuple[str, int, int]]:
        name, places = self._lab.kafka.name(topic), {}
        for i, (key, record) in enumerate(records):
            self._producer.produce(
                name,
                self._lab.codec.encode(record),
                key.encode(),
                on_delivery=lambda e, m, i=i: places.update({i: (e, m.partition(), m.offset())}),
            )
        assert self._producer.flush(20) == 0
        assert {e for e, *_ in places.values()} <= {None}
        return [(name, *places[i][1:]) for i in range(len(records))]


@pytest.fixture(scope="module")
def lab(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(bootstrap, tmp_path_factory.mktemp("dashboard"), admin_key=KEY)
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def console(lab: Lab) -> Iterator[Console]:
    console = Console(lab)
    yield console
    console.close()


@pytest.fixture(scope="module")
def story(lab: Lab, console: Console) -> Story:
    """The story told, and taken in by the console."""
    now = time.time_ns() // 1_000_000
    for receiver in RECEIVERS:
        lab.write(topics.ENDPOINTS, receiver.id, endpoint_config(receiver, lab.process.box, now))
    for source_id, provider in (("shop-eu", "shopify"), ("payments", "stripe"), ("carrier", "easypost")):
        lab.write(topics.SOURCES, source_id, source_config(source_id, provider, lab.process.box, now))
    for standing in standings(now):
        lab.write(topics.STANDINGS, standing.id, standing)
    lab.flush()
    story = Story(KafkaLog(lab), now)
    story.tell()
    deps = console.app.state.deps

    def taken_in() -> bool:
        totals = deps.stats.totals()
        known = totals.queued + totals.retrying + totals.delivered + totals.dead + totals.superseded
        return (
            known == story.deliveries
            and totals.dead == story.dead
            and len(deps.endpoints.items) >= len(RECEIVERS)
            and deps.standings.items
        )

    until(taken_in, 30)
    until(lambda: deps.queries.rejected_one("rej_8"), 10)
    return story


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium of this machine. Without one the tests are skipped, saying so; in CI they fail."""
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        words = "no Chromium on the PATH: the dashboard is not tested in a browser"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, console: Console, request: pytest.FixtureRequest):
    """Makes visitors; after the test each must have seen nothing go wrong."""
    visitors: list[Visitor] = []

    def make(*, scheme: str = "light", width: int = 1280, script: bool = True, login: bool = True) -> Visitor:
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800}, java_script_enabled=script)
        visitor = Visitor(context, console.url, SHOTS / re.sub(r"\W+", "-", request.node.name).strip("-"))
        visitors.append(visitor)
        if login:
            visitor.login(KEY)
        return visitor

    yield make
    for visitor in visitors:
        visitor.close()
        assert visitor.trouble == []
