"""Each job of the operations person and of the developer, done in a real browser."""

from __future__ import annotations

import re
import time

import pytest

from schemas import topics
from schemas.auth import Basic
from tests.console_lab import KEY, delivery, until

pytestmark = [pytest.mark.browser, pytest.mark.integration]


def test_only_the_right_key_opens_the_door(visit, story):
    visitor = visit(login=False)
    visitor.go("/deliveries?state=dead&range=7d")
    page = visitor.page
    assert "/login?next=" in page.url
    page.fill("#f-key", "wrong")
    visitor.trouble.clear()
    page.click("text=Log in")
    page.wait_for_selector("text=That is not the admin key")
    visitor.inspect("wrong-key")
    assert [t for t in visitor.trouble if "401" not in t] == []
    visitor.trouble.clear()  # the browser itself reports the 401
    page.fill("#f-key", KEY)
    page.click("text=Log in")
    page.wait_for_url(re.compile(r"/deliveries\?state=dead&range=7d$"))
    cookie = next(c for c in page.context.cookies() if c["name"] == "hookstream_session")
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    page.click("[aria-label='Log out']")
    page.wait_for_url(re.compile("/login$"))
    page.context.add_cookies([cookie])  # a kept copy is worth nothing
    visitor.go("/")
    assert "/login" in page.url


def test_the_first_line_answers(visit, story):
    visitor = visit()
    first = visitor.text(".answer")
    assert re.match(
        r"3 of \d+ endpoints are failing, 2 are paused or disabled; [\d,]+ deliveries wait, the oldest since .*; \d+ dead letters",
        first,
    )
    assert "https://erp" not in first
    rows = visitor.page.locator("[data-rows] tbody tr")
    assert "erp.northwind.example" in rows.nth(0).inner_text()


def test_an_endpoint_is_made_edited_paused_rotated_tested_and_deleted(visit, story, console):
    visitor = visit()
    page = visitor.page
    page.click("nav >> text=Endpoints")
    page.click("text=New endpoint")
    page.fill("#f-url", "https://10.0.0.1/hook")
    page.click("text=Create endpoint")
    page.wait_for_selector("text=private address")
    visitor.inspect("refused")
    visitor.trouble = [t for t in visitor.trouble if "422" not in t]  # the browser itself reports the 422
    page.fill("#f-url", "https://new-shop.example/hooks")
    page.fill("#f-description", "Made by hand")
    page.uncheck("input[value='*']")
    page.check("input[value='order.*']")
    page.fill("#f-retry_schedule", "5s, 1m")
    page.fill("#f-headers", "X-Api-Key: hush-hush")
    page.select_option("#f-ordering", "key")
    page.fill("#f-rate_limit", "2.5")
    assert not page.is_visible("#f-auth_password")
    page.select_option("#f-auth_type", "basic")
    page.fill("#f-auth_username", "hub")
    page.fill("#f-auth_password", "pass-hush")
    visitor.inspect("filled")
    page.click("text=Create endpoint")
    secret = page.locator("pre").first.inner_text()
    assert secret.startswith("whsec_")
    visitor.inspect("secret")
    page.click("text=Open the endpoint")
    page.wait_for_selector("h1:has-text('new-shop.example')")
    home = page.url
    assert secret not in page.content()
    assert "hush-hush" not in page.content()
    assert "by object: a failing delivery holds back those of its object alone" in visitor.text()
    assert "Basic, as hub" in visitor.text()
    visitor.inspect("made")

    page.click("text=Edit")
    assert "hush" not in page.content()
    page.fill("#f-timeout_s", "7.5")
    page.click("text=Save")
    page.wait_for_selector("text=7.50 s")
    endpoint_id = home.rsplit("/", 1)[1]
    stored = console.app.state.deps.endpoints.items[endpoint_id]
    assert (stored.headers, stored.auth) == ({"X-Api-Key": "hush-hush"}, Basic(username="hub", password="pass-hush"))
    assert (stored.config.ordering, stored.config.rate_limit) == ("key", 2.5)

    page.click("main >> text=Pause")
    page.wait_for_selector("text=is paused: its deliveries wait")
    assert console.get(f"/endpoints/{endpoint_id}")["state"] == "paused"
    visitor.inspect("paused")
    page.click("main >> text=Resume")
    page.wait_for_selector("text=is sent to again")

    page.click("text=Rotate")
    page.select_option("#f-overlap", "3600")
    page.select_option("#f-signature", "v1a")
    page.click("button:has-text('Rotate')")
    assert page.locator("pre").first.inner_text().startswith("whpk_")
    visitor.inspect("key-pair")
    page.click("text=Open the endpoint")
    page.wait_for_selector("text=public key")
    page.wait_for_selector("text=signs until")
    visitor.inspect("rotated")

    page.click("text=Send test >> nth=0")
    page.wait_for_url(re.compile("type=hookstream.test"))
    until(lambda: console.app.state.deps.stats.totals(endpoint_id).queued == 1)
    page.reload()
    page.wait_for_selector("tbody >> text=hookstream.test")

    page.goto(home)
    page.click("text=Delete…")
    page.wait_for_selector("text=1 delivery that waits for it will be given up")
    page.click("button:has-text('Delete the endpoint')")
    page.wait_for_selector("text=is deleted")
    assert endpoint_id not in console.app.state.deps.endpoints.items


def test_deliveries_are_filtered_paged_and_opened(visit, story):
    visitor = visit()
    page = visitor.page
    visitor.go("/deliveries?range=24h")
    page.select_option("#state", "dead")
    page.select_option("#endpoint", "ep_old")
    page.click("button:has-text('Filter')")
    page.wait_for_url(re.compile("endpoint=ep_old&state=dead"))
    states = page.locator("tbody .state").all_inner_texts()
    assert states
    assert set(states) == {"dead"}
    visitor.go("/deliveries?range=24h")
    first = page.locator("tbody tr").first.get_attribute("data-href")
    page.click("text=Older")
    page.wait_for_url(re.compile("cursor="))
    assert page.locator("tbody tr").first.get_attribute("data-href") != first
    page.click("text=Newest")
    assert page.locator("tbody tr").first.get_attribute("data-href") == first
    dead = story.first["dead"]
    page.fill("#q", dead.object_key)
    page.press("#q", "Enter")
    page.click(f"tbody a[href='/deliveries/{dead.id}']")
    page.wait_for_selector("h1:has-text('dead')")
    text = visitor.text()
    assert "Given up after 5 attempts" in text
    assert "Could not resolve host" in text
    assert "Check the endpoint's URL" in text


def test_new_rows_wait_until_asked_for(visit, story, lab, console):
    visitor = visit()
    page = visitor.page
    visitor.go("/deliveries?range=1h&type=late.event")
    now = time.time_ns() // 1_000_000
    lab.write(topics.DELIVERIES, "ep_new", delivery("late-1", "ep_new", event_type="late.event", received_at=now, queued_at=now))
    lab.flush()
    page.wait_for_selector("button:has-text('1 new')", timeout=15_000)
    assert page.locator("tbody tr").count() == 0
    page.click("text=1 new")
    page.wait_for_selector("tbody >> text=late.event")


def test_a_dead_delivery_is_retried_by_keyboard(visit, story, console):
    visitor = visit()
    page = visitor.page
    dead = story.first["dead"]
    visitor.go(f"/deliveries/{dead.id}")
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")
    visitor.shoot("help")
    page.keyboard.press("Escape")
    page.wait_for_selector("#help", state="hidden")
    page.keyboard.press("r")
    page.wait_for_selector("#ask[open]")
    visitor.inspect("ask")
    page.click("#ask >> text=Cancel")
    page.wait_for_selector("#ask", state="hidden")
    assert console.app.state.deps.queries.delivery(dead.id).state == "dead"
    page.keyboard.press("r")
    page.click("text=Yes, do it")
    page.wait_for_selector("text=Queued again")
    until(lambda: console.app.state.deps.queries.delivery(dead.id).state == "queued")


def test_a_row_of_dead_letters_is_retried_by_keyboard(visit, story, console):
    visitor = visit()
    page = visitor.page
    visitor.go("/dead?endpoint=ep_old")
    page.keyboard.press("j")
    wanted = page.locator("tr.at").get_attribute("data-href")
    page.keyboard.press("r")
    page.wait_for_selector("#ask[open]")
    visitor.inspect("ask")
    page.click("text=Yes, do it")
    page.wait_for_url(re.compile(re.escape(wanted) + "$"))
    page.wait_for_selector("text=Queued again")
    until(lambda: console.app.state.deps.queries.delivery(wanted.rsplit("/", 1)[1]).state == "queued")


def test_rows_are_walked_by_keyboard(visit, story):
    visitor = visit()
    page = visitor.page
    visitor.go("/deliveries?range=24h")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.press("Tab")
    page.evaluate("document.activeElement.blur()")
    for key in "jjk":
        page.keyboard.press(key)
    wanted = page.locator("tbody tr").first.get_attribute("data-href")
    assert page.locator("tr.at").get_attribute("data-href") == wanted
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(re.escape(wanted) + "$"))


def test_dead_letters_are_redriven_by_number(visit, story, console):
    visitor = visit()
    page = visitor.page
    stats = console.app.state.deps.stats
    dead = stats.totals("ep_old").dead
    visitor.go("/dead?endpoint=ep_old")
    page.click(f"text=Re-drive {dead}…")
    page.wait_for_selector(f"text=Send {dead} dead deliveries again?")
    page.click(f"button:has-text('Re-drive {dead}')")
    page.wait_for_selector(f"text=Done: {dead} deliveries are queued again", timeout=20_000)
    visitor.inspect("done")
    until(lambda: stats.totals("ep_old").dead == 0)
    visitor.go("/dead?endpoint=ep_old")
    assert "Nothing that was given up fits the filter" in visitor.text()
    visitor.go("/dead")
    visitor.inspect("none-left")


def test_an_endpoint_the_hub_disabled_comes_back_with_what_it_missed(visit, story, console):
    visitor = visit()
    page = visitor.page
    visitor.go("/endpoints/ep_closed")
    stats = console.app.state.deps.stats
    missed = stats.totals("ep_closed").dead
    assert "The hub disabled it: every attempt has failed for 5 days" in visitor.text(".answer")
    page.click(f"text=Enable and send {missed} missed")
    page.wait_for_selector(f"text=Done: {missed} deliveries are queued again", timeout=20_000)
    visitor.inspect("recovered")
    assert console.get("/endpoints/ep_closed")["state"] == "active"
    until(lambda: stats.totals("ep_closed").dead == 0)


def test_what_blocks_an_order_is_skipped(visit, story, console, lab):
    visitor = visit()
    page = visitor.page
    now = time.time_ns() // 1_000_000
    line = [delivery(f"line-{i}", "ep_erp", object_key="order/77", received_at=now + i, queued_at=now + i) for i in range(3)]
    for d in line:
        lab.write(topics.DELIVERIES, "ep_erp", d)
    lab.flush()
    until(lambda: console.app.state.deps.queries.delivery(line[2].id))
    visitor.go(f"/deliveries/{line[0].id}")
    assert "takes the events of order/77 in order: 2 deliveries wait behind this one" in visitor.text()
    visitor.inspect("blocked")
    page.click("text=Skip…")
    page.wait_for_selector("text=and the next of them goes at once")
    visitor.inspect("ask")
    page.click("text=Yes, do it")
    page.wait_for_selector("text=It will be given up in a moment; 2 deliveries behind it go on.")
    assert [d.command for d in lab.read(topics.DELIVERIES) if d.id == line[0].id] == [None, "skip"]


def test_the_page_of_a_failing_endpoint_says_since_when_and_what_next(visit, story):
    visitor = visit()
    visitor.go("/endpoints/ep_erp")
    assert re.search(
        r"Failing since .* UTC: 312 attempts in a row failed \(last: answered 503\)\. The breaker is open; next probe .* UTC, in \d min\.",
        visitor.text(".answer"),
    )
    visitor.go("/endpoints?state=failing")
    rows = visitor.text("tbody")
    assert "breaker open, probe" in rows
    assert "breaker probing" in rows


def test_a_source_is_made_switched_off_given_a_secret_and_deleted(visit, story, console):
    visitor = visit()
    page = visitor.page
    page.click("nav >> text=Sources")
    page.click("text=New source")
    page.click("text=Shopify")
    page.fill("#f-id", "shop-us")
    page.fill("#f-secrets", "the-app-secret")
    page.click("text=Create source")
    page.wait_for_selector("text=paste its URL at the provider")
    assert "/in/shop-us" in visitor.text()
    assert "the-app-secret" not in page.content()
    visitor.inspect("made")
    page.click("text=Stop accepting")
    page.click("text=Yes, do it")
    page.wait_for_selector("text=refuses webhooks from now on")
    assert not console.get("/sources/shop-us")["enabled"]
    page.click("text=Accept again")
    page.wait_for_selector("text=accepts webhooks again")
    page.click("text=Rotate")
    page.fill("#f-secret", "a-newer-secret")
    page.click("button:has-text('Rotate')")
    page.wait_for_selector("text=accepted until")
    page.click("text=Delete this source")
    page.click("button:has-text('Delete the source')")
    page.wait_for_selector("text=shop-us is deleted")


def test_everything_works_without_script(visit, story, console):
    visitor = visit(script=False)
    page = visitor.page
    assert "endpoints are failing" in visitor.text()
    visitor.go("/endpoints/ep_mail")
    page.click("main >> text=Pause")
    assert "is paused" in visitor.text()
    page.click("main >> text=Resume")
    assert console.get("/endpoints/ep_mail")["state"] == "active"
    visitor.go(f"/deliveries/{story.first['ep_mail'].id}")
    page.click("text=Send again")
    assert "Queued again" in visitor.text()
    page.click("button:has-text('Dark')")
    assert page.get_attribute("html", "data-theme") == "dark"
    visitor.go("/deliveries?range=24h&state=retrying")
    assert page.locator("tbody tr").count() > 0
    visitor.shoot("dark-by-choice")


def test_hostile_text_stays_text(visit, story):
    visitor = visit()
    for path in (
        "/endpoints/ep_hostile",
        f"/deliveries/{story.first['retrying status'].id}",
        "/rejected/rej_3",
        "/quarantined",
        "/raw/0/0",
    ):
        visitor.go(path)
        assert (
            visitor.page.evaluate("document.querySelectorAll('main script, main img, main [onerror], main [onload]').length") == 0
        )
    visitor.go("/deliveries?q=" + "%3Cscript%3Ealert(1)%3C/script%3E&endpoint=%22%3E%3Cimg%20src=x%3E")
    assert visitor.page.evaluate("document.querySelectorAll('main script, main img').length") == 0
    assert visitor.page.evaluate("window.violations") == []
