"""Numbers, times, ranges, errors and states in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from console.pages import format as f
from console.pages import ranges
from console.pages.condition import Condition, condition
from console.pages.explain import explain
from console.pages.overview import answer
from console.pages.words import STATES, state
from console.rows import Activity, AttemptRow, Outcomes, Totals
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
