"""Numbers, times, ranges, errors and states in words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from console.actions.recover import MISSED
from console.health import EndpointCondition
from console.pages import format as f
from console.pages import ranges
from console.pages.condition import Condition, condition
from console.pages.delivery import in_order
from console.pages.explain import explain
from console.pages.health_words import answer as how
from console.pages.health_words import breaker
from console.pages.overview import answer
from console.pages.words import CAUSES, STATES, cause, state
from console.rows import Activity, AttemptRow, Outcomes, Totals
from schemas.records import EndpointStanding
from tests.browser.memory import endpoint_config
from tests.browser.story import RECEIVERS
from tests.console_lab import attempt, delivery

if TYPE_CHECKING:
    from schemas.records import Attempt

NOW = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("ms", "words"),
    [(0, "0.00 ms"), (0.4213, "0.42 ms"), (4.2134, "4.21 ms"), (42.13, "42.1 ms"), (421.3, "421 ms"), (15_000, "15.0 s"), (90_000, "1.50 min"),
     (9_000_000, "2.50 h"), (200_000_000, "2.31 d")],
)  # fmt: skip
def test_a_duration_has_three_digits_and_a_unit(ms, words):
    assert f.duration(ms) == words


@pytest.mark.parametrize(
    ("gap_s", "words"),
    [(0, "now"), (-5, "5 s ago"), (-312, "5 min ago"), (312, "in 5 min"), (-7300, "2 h ago"), (-200_000, "2 d ago")],
)
def test_a_time_is_relative(gap_s, words):
    assert f.relative(NOW + gap_s * 1000, NOW) == words


def test_numbers_are_grouped_and_shares_never_round_up_to_all():
    assert f.count(1_204_000) == "1,204,000"
    assert (f.percent(1), f.percent(0.99996), f.percent(0.5), f.percent(0)) == ("100 %", "99.9 %", "50 %", "0 %")
    assert (f.plural(1, "delivery", "deliveries"), f.plural(1204, "delivery", "deliveries")) == ("1 delivery", "1,204 deliveries")
    assert (f.size(900), f.size(1536), f.size(5 << 20)) == ("900 B", "1.50 KiB", "5.00 MiB")


def test_absurd_times_are_shown_not_raised():
    assert f.absolute(10**18).startswith("9999-")
    assert f.absolute(-5) == "1970-01-01 00:00:00 UTC"
    assert f.clock(NOW, NOW) == "14:13"
    assert f.clock(NOW - 86_400_000, NOW) == "20 Sep 14:13"


def test_long_ids_keep_head_and_tail():
    assert f.short("dlv_o3aob5lychtgkil62akpg6ff4f") == "dlv_o3aob5l…ff4f"
    assert f.short("ep_1") == "ep_1"


def test_payloads_are_pretty_or_none_and_bytes_become_visible():
    assert f.pretty(b'{"a":[1]}') == '{\n  "a": [\n    1\n  ]\n}'
    assert f.pretty(b"\xff\x00") is None
    assert f.pretty(b"[" * 100_000) is None
    assert f.text(b"a\x1b[31m\xff\n") == "a\\x1b[31m\N{REPLACEMENT CHARACTER}\n"


def test_a_breakable_url_is_escaped():
    assert str(f.breakable("https://a/<b>")) == "https:/<wbr>/<wbr>a/<wbr>&lt;b&gt;"


# --- ranges


def test_a_range_comes_from_the_url():
    wanted = ranges.parse({"range": "24h"}, NOW)
    assert (wanted.name, wanted.since, wanted.until, wanted.error) == ("24h", NOW - 24 * HOUR, NOW, "")
    assert ranges.parse({}, NOW).name == "1h"
    own = ranges.parse({"from": "2026-09-21T02:14", "to": "2026-09-21T05:14:30+03:00"}, NOW)
    assert (own.name, own.until - own.since) == ("custom", 30_000)
    assert ranges.parse({"from": ranges.edge(own.since), "to": ranges.edge(own.until)}, NOW) == own


@pytest.mark.parametrize(
    ("query", "words"),
    [({"range": "5y"}, "'5y' is no range"), ({"from": "yesterday"}, "write it as 2026-11-23T02:14"), ({"from": "2026-09-21T05:00", "to": "2026-09-21T04:00"}, "begins before it ends"),
     ({"from": "0001-01-01", "to": "2026-01-01"}, "two years")],
)  # fmt: skip
def test_a_range_that_is_none_falls_back_and_says_so(query, words):
    wanted = ranges.parse(query, NOW)
    assert wanted.name == "1h"
    assert words in wanted.error


@pytest.mark.parametrize(
    ("query", "bars", "minutes"), [({"range": "15m"}, 15, 1), ({"range": "24h"}, 96, 15), ({"range": "7d"}, 84, 120)]
)
def test_bars_are_as_fine_as_is_kept(query, bars, minutes):
    wanted = ranges.parse(query, NOW)
    assert wanted.bucket_ms == minutes * 60_000
    assert (wanted.until - wanted.since) // wanted.bucket_ms == bars


def test_what_is_old_is_drawn_by_the_hour():
    wanted = ranges.parse({"from": "2026-08-01T00:00", "to": "2026-08-01T01:00"}, NOW)
    assert wanted.bucket_ms == HOUR


# --- errors


def failed(**fields) -> Attempt:
    return attempt(delivery("evt"), "retrying", **fields)


def test_a_timeout_tells_how_far_it_came():
    words = explain(
        failed(status=None, error_class="timeout", dns_ms=1, connect_ms=12, tls_ms=0, first_byte_ms=0, total_ms=15_000)
    )
    assert words.cause == "Timeout after 15.0 s"
    assert words.evidence == "connected in 13.0 ms, no first byte"
    assert "accepted the connection and did not answer" in words.advice
    assert explain(failed(status=None, error_class="timeout", connect_ms=0, total_ms=5000)).evidence == "no connection was made"
    slow = explain(failed(status=200, error_class="timeout", connect_ms=12, first_byte_ms=900, total_ms=15_000))
    assert "first byte after 900 ms, answer not complete" in slow.evidence


def test_a_status_is_explained_with_the_text_of_their_page():
    page = b"<html><style>p{}</style><script>alert(1)</script><h1>Sorry</h1><p>down for <b>maintenance"
    words = explain(failed(status=503, response_head=page))
    assert (words.cause, words.evidence) == ("They answered 503 Service Unavailable", "Sorry down for maintenance")
    assert explain(failed(status=401, response_head=b"")).evidence == "with an empty body"
    assert "credentials" in explain(failed(status=401)).advice
    assert explain(failed(status=799)).cause == "They answered 799"


@pytest.mark.parametrize(
    "error_class", ["dns", "connect", "tls", "reset", "protocol", "bad_url", "refused_address", "redirect", "never seen"]
)
def test_every_error_has_cause_evidence_and_advice(error_class):
    words = explain(failed(status=None, error_class=error_class, error="what curl said"))
    assert words.cause
    assert words.evidence == "what curl said"
    assert words.advice.endswith(".")


def test_a_row_without_its_record_is_explained_too():
    row = AttemptRow(delivery_id="d", endpoint_id="e", attempt=1, state="retrying", status=500, error_class="status", error="answered 500",
                     started_at=NOW, total_ms=5, next_attempt_at=None, partition=0, offset=0)  # fmt: skip
    assert explain(row).cause == "They answered 500 Internal Server Error"
    assert explain(attempt(delivery("evt"))) is None


def test_every_error_class_of_the_delivery_worker_is_explained():
    from typing import get_args

    from console.pages import explain as module
    from delivery.outcome import ErrorClass

    assert set(get_args(ErrorClass)) - {"timeout", "status"} == set(module._BY_CLASS)


# --- states


def test_every_state_has_its_own_word_and_an_icon_that_exists():
    from console.pages.render import HERE

    icons = (HERE / "templates" / "_icons.html").read_text()
    assert all(f'"{s.icon}":' in icons for s in STATES.values())
    assert len({(s.word, s.icon, s.tone) for s in STATES.values()}) == len(STATES)
    assert state("brand_new").word == "brand_new"


@pytest.mark.parametrize(
    ("configured", "delivered", "failed_", "last", "shown"),
    [
        ("active", [0, 0, 9], [0, 0, 1], (5, 6), "active"),
        ("active", [9, 0, 0, 1], [0, 0, 0, 1], (5, 6), "failing"),
        ("active", [9, 0, 0, 0], [0, 0, 0, 0], (5, 6), "failing"),
        ("active", [9, 0, 0, 0], [9, 0, 0, 0], (6, 5), "active"),
        ("active", [], [], (None, None), "active"),
        ("paused", [0], [9], (None, 6), "paused"),
    ],
)
def test_an_endpoint_fails_when_half_of_its_recent_attempts_do(configured, delivered, failed_, last, shown):
    assert condition(configured, Outcomes(delivered, failed_), Activity(*last)) == shown


class NoBox:
    def encrypt(self, value: str) -> str:
        return value


def known(*states: str) -> list[Condition]:
    config = endpoint_config(RECEIVERS[0], NoBox(), NOW)
    return [Condition(config, s, Outcomes([], []), Activity(None, None), Totals()) for s in states]


@pytest.mark.parametrize(
    ("states", "waiting", "dead", "words"),
    [
        (["failing"] * 3 + ["active"] * 38, 1204, 0, "3 of 41 endpoints are failing; 1,204 deliveries wait, the oldest since 13:13."),
        (["active"] * 2, 0, 0, "All endpoints are well; nothing waits."),
        (["active", "paused"], 1, 22, "All active endpoints are well, 1 is paused or disabled; 1 delivery waits, the oldest since 13:13; 22 dead letters to look at."),
        (["failing"], 0, 1, "1 of 1 endpoint is failing; nothing waits; 1 dead letter to look at."),
        (["paused"], 0, 0, "Every endpoint is paused or disabled; nothing waits."),
        ([], 0, 0, "No endpoint is set up yet, so nothing is sent."),
    ],
)  # fmt: skip
def test_the_first_line_of_the_overview(states, waiting, dead, words):
    assert answer(known(*states), waiting, NOW - HOUR if waiting else None, dead, NOW) == words


def test_the_commands_that_empty_pages_teach_exist():
    import re
    import shlex

    import typer

    from console.pages.render import HERE
    from hub.cli import app

    shown = re.findall(r'snippet\("hub ([^"]+)"', (HERE / "templates" / "_macros.html").read_text())
    assert len(shown) == 3
    for line in shown:
        command, words, context = typer.main.get_command(app), shlex.split(line), None
        while hasattr(command, "commands"):
            context = command.make_context(words[0], [], parent=context, resilient_parsing=True)
            command, words = command.commands[words[0]], words[1:]
        command.make_context("", words, parent=context)  # raises for what it does not take


# --- how an endpoint does


def doing(**fields) -> EndpointCondition:
    values = {
        "endpoint_id": "e", "last_success_at": None, "last_failure_at": None, "attempts_1h": 0, "success_rate_1h": None, "waiting": 0,
        "oldest_waiting_at": None, "dead": 0, "duration_p50_ms": None, "duration_p99_ms": None, "latency_p50_ms": None,
        "latency_p99_ms": None, "state": "active", "state_reason": None, "disabled_by": None, "breaker": "closed", "failing_from_at": None,
        "failures": 0, "probe_at": None, "last_status": None, "last_error": None,
    }  # fmt: skip
    return EndpointCondition(**{**values, **fields})


FAILING = {"failing_from_at": NOW - 12 * HOUR, "failures": 312, "last_error": "timeout after 15.0 s"}


@pytest.mark.parametrize(
    ("state", "fields", "words"),
    [
        ("failing", {**FAILING, "breaker": "open", "probe_at": NOW + 290_000, "waiting": 1204, "oldest_waiting_at": NOW - 11 * HOUR},
         "Failing since 02:13 UTC: 312 attempts in a row failed (last: timeout after 15.0 s). The breaker is open; next probe 14:18 UTC, in 4 min. 1,204 deliveries wait, the oldest since 03:13 UTC."),
        ("failing", {**FAILING, "breaker": "half_open", "last_error": None, "last_status": 503},
         "Failing since 02:13 UTC: 312 attempts in a row failed (last: status 503). The breaker lets one attempt through to see whether it answers. Nothing waits."),
        ("failing", {**FAILING, "breaker": "open", "probe_at": NOW - 1},
         "Failing since 02:13 UTC: 312 attempts in a row failed (last: timeout after 15.0 s). The breaker is open; the next probe is due. Nothing waits."),
        ("failing", {"failing_from_at": NOW - HOUR, "failures": 4}, "Failing since 13:13 UTC: 4 attempts in a row failed. Nothing waits."),
        ("disabled", {"disabled_by": "hub", "state_reason": "five days of nothing but failures", "waiting": 1},
         "The hub disabled it: five days of nothing but failures; 1 delivery waits."),
        ("disabled", {"disabled_by": "person", "state_reason": "moving house"}, "Moving house; nothing waits."),
        ("paused", {}, "Paused; nothing waits."),
        ("active", {}, "Nothing was sent here yet: send a test to see it work."),
        ("active", {"last_success_at": NOW - 5000}, "Last success 5 s ago; nothing waits."),
        ("failing", {"last_success_at": NOW - HOUR, "last_failure_at": NOW - 5000, "waiting": 2},
         "Last failure 5 s ago, last success 1 h ago; 2 deliveries wait."),
    ],
)  # fmt: skip
def test_the_first_line_of_an_endpoint(state, fields, words):
    assert how(state, doing(**fields), NOW) == words


def standing(failing_from_at=None, updated_at=NOW) -> EndpointStanding:
    return EndpointStanding(
        id="e", tenant="t", breaker="closed", failing_from_at=failing_from_at, failures=4, updated_at=updated_at
    )


@pytest.mark.parametrize(
    ("said", "failed_", "shown"),
    [
        (standing(NOW - HOUR, NOW - HOUR), [0, 0, 0], "failing"),
        (standing(None, NOW - 60_000), [9, 9, 9], "active"),  # it has just recovered
        (standing(None, NOW - HOUR), [9, 9, 9], "failing"),
        (standing(None, NOW - HOUR), [0, 0, 0], "active"),
    ],
)
def test_the_worker_knows_best_whether_an_endpoint_fails(said, failed_, shown):
    assert condition("active", Outcomes([1, 1, 1], failed_), Activity(NOW, NOW), said, NOW) == shown


def test_the_breaker_in_lists():
    assert breaker("open", NOW + 60_000, NOW) == "breaker open, probe 14:14"
    assert breaker("open", None, NOW) == "breaker open, probe due"
    assert (breaker("half_open", None, NOW), breaker("closed", None, NOW)) == ("breaker probing", "")


def test_every_cause_of_death_of_the_hub_is_explained():
    """Those the delivery worker writes, and those of a recovery, have a sentence of their own; others say their name."""
    assert {"exhausted", "gone", "endpoint_disabled", "endpoint_deleted", "endpoint_unusable", "skipped", "aborted"} == set(
        CAUSES
    )
    assert set(MISSED) <= set(CAUSES)
    assert cause("worn_out") == "Worn out."


@pytest.mark.parametrize(
    ("behind", "words", "skip", "park"),
    [
        (0, "nothing waits behind", "the next one goes at once", "No attempt is made; other"),
        (1, "1 delivery waits behind", "it goes at once", "it stays in order"),
        (1204, "1,204 deliveries wait behind", "the next of them goes at once", "they stay in order"),
    ],
)
def test_what_becomes_of_those_behind_is_said(behind, words, skip, park):
    said = in_order(SimpleNamespace(object_key="order/7"), behind)
    assert words in said.words
    assert skip in said.skip
    assert park in said.park
