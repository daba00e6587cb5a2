"""The trials' arithmetic and verdicts: each verdict passes on what is good, and fails on each thing that is not."""

from __future__ import annotations

import json
import math
import random
from typing import TYPE_CHECKING, Any

import pytest

from schemas import topics
from tests.trials import __main__ as command
from tests.trials import backlog, crowd, fill, order, rate, report, slow4
from tests.trials.book import Book
from tests.trials.finding import Check, Finding, at_least, at_most, between, exactly, finite, quantile
from tests.trials.growth import Written, sizes, totals
from tests.trials.history import Arrival, History, examine, judge
from tests.trials.traffic import number_in
from tests.trials.wire import name_for, partition_of

if TYPE_CHECKING:
    from pathlib import Path


def failed(checks: list[Check]) -> list[str]:
    return [check.what for check in checks if not check.met]


def test_checks_are_met_at_their_limits_and_not_beyond() -> None:
    assert at_most("x", 2.0, 2.0).met
    assert not at_most("x", 2.0, 2.01).met
    assert at_least("x", 0.95, 0.95).met
    assert not at_least("x", 0.95, 0.949).met
    assert exactly("x", 3, 3).met
    assert not exactly("x", 3, 2).met
    assert between("x", 1, 2, 2).met
    assert not between("x", 1, 2, 2.1).met


@pytest.mark.parametrize("nothing", [math.nan, math.inf])
def test_what_was_not_measured_meets_no_limit(nothing: float) -> None:
    assert not at_most("x", 2.0, nothing).met
    assert not between("x", 1, 2, nothing).met
    assert math.isnan(quantile([], 0.99))


def test_a_finding_passes_only_with_checks_that_are_all_met() -> None:
    good, bad = exactly("a", 1, 1), exactly("b", 1, 2)
    assert Finding(trial="x", checks=[good]).passed
    assert not Finding(trial="x", checks=[good, bad]).passed
    assert not Finding(trial="x", checks=[]).passed
    assert Finding(trial="x", checks=[good, bad]).as_dict()["failed"] == ["b"]


def test_a_finding_is_json_whatever_was_measured() -> None:
    figures = {"p99": math.inf, "by": {1: [math.nan, 0.123456]}}
    assert json.loads(json.dumps(finite(figures), allow_nan=False)) == {"p99": None, "by": {"1": [None, 0.1235]}}


def test_the_table_names_what_was_not_met() -> None:
    shown = report.table([Finding(trial="x", checks=[exactly("a", 1, 2)]), Finding(trial="y", checks=[])])
    assert next(list(column.cells)[:2] for column in shown.columns) == ["x", "y"]
    assert all("NOT MET" in cell for cell in shown.columns[4].cells)


# --- books of live traffic


def test_latencies_are_those_of_a_stretch_and_a_lost_event_has_no_end() -> None:
    book = Book()
    for number, (sent, took) in enumerate([(1.0, 0.1), (2.0, 0.2), (3.0, None)]):
        book.accept(number, sent)
        if took:
            book.arrive(number, sent + took)
    book.arrive(0, 9.0)
    assert book.latencies(1.5, 2.5) == [pytest.approx(0.2)]
    assert book.latencies(2.5) == [math.inf]
    assert book.latencies(only=lambda n: n == 0) == [pytest.approx(0.1)]
    assert (book.missing(), book.repeats) == (1, 1)


def test_after_a_kill_flow_and_calm_are_told_apart() -> None:
    book = Book()
    for number, (sent, arrived) in enumerate([(9.9, 14.0), (10.1, 15.0), (10.5, 13.0), (14.5, 14.6)]):
        book.accept(number, sent)
        book.arrive(number, arrived)
    assert book.flow_again(10.0) == pytest.approx(3.0)
    assert book.calm_again(10.0, 20.0, late_s=1.0) == pytest.approx(5.0)
    book.accept(9, 16.0)
    assert book.calm_again(10.0, 20.0, late_s=1.0) == math.inf
    assert Book().flow_again(10.0) == math.inf


# --- order


def history(*steps: str) -> History:
    """Steps such as `a0` taken, `a1!` refused, `a1=x` under the id x; all that is named is accepted."""
    made = History()
    for step in steps:
        event, _, webhook_id = step.partition("=")
        key, n = event[0], int(event[1])
        made.accept(key, n)
        made.arrive(Arrival(key, n, webhook_id or f"msg-{key}{n}", taken=not step.endswith("!")))
    return made


def test_order_holds_when_each_waits_for_the_one_before_to_be_taken() -> None:
    found = examine(history("a0!", "b0", "a0", "a1", "b1!", "a2", "b1"))
    assert (found.disorder, found.lost, found.events, found.refused, found.duplicates) == ([], 0, 5, 2, 0)


def test_copies_of_what_was_taken_are_duplicates_and_no_disorder() -> None:
    found = examine(history("a0", "a1", "a2", "a0", "a1", "a3"))
    assert (found.disorder, found.duplicates) == ([], 2)


@pytest.mark.parametrize(("steps", "words"), [
    (("a0!", "a1", "a0"), "a: 1 came before 0 was taken"),
    (("a1", "a0"), "a: 1 came before 0 was seen"),
    (("a0", "a2!", "a1", "a2"), "a: 2 came before 1 was seen"),
])  # fmt: skip
def test_disorder_is_found(steps: tuple[str, ...], words: str) -> None:
    assert examine(history(*steps)).disorder == [words]


def test_loss_and_wrong_ids_are_found() -> None:
    lost = history("a0", "a1!")
    assert (examine(lost).lost, lost.outstanding()) == (1, 1)
    assert examine(history("a0=x", "a0=y")).two_ids == ["a 0"]
    assert examine(history("a0=x", "b0=x")).shared_ids == ["x"]


GOOD = ("a0!", "a0", "a1")


@pytest.mark.parametrize(("steps", "change", "what"), [
    (GOOD, {}, None),
    (("a0!", "a1", "a0"), {}, "events out of order"),
    (("a0", "a1!"), {}, "events lost"),
    (("a0!", "a0=x", "a1"), {}, "events under two webhook-ids"),
    (("a0!", "a0", "a1=msg-a0"), {}, "webhook-ids of two events"),
    (("a0", "a1"), {}, "requests refused or timed out: it was a test"),
    (GOOD, {"wanted": 3}, "events accepted"),
    (GOOD, {"survived": 1}, "kills of the worker, each survived"),
    (GOOD, {"serving": 0}, "of them, while it had the endpoint"),
    (GOOD, {"changes": 0}, "times the endpoint went to another worker"),
    (GOOD, {"control": examine(history("a0", "a1"))}, "negative control: events out of order without `ordering: key`"),
])  # fmt: skip
def test_the_verdict_on_order(steps: tuple[str, ...], change: dict[str, Any], what: str | None) -> None:
    control = examine(history("a1", "a0"))
    fine: dict[str, Any] = {"control": control, "wanted": 2, "kills": 2, "survived": 2, "serving": 1, "joins": 1, "changes": 1}
    found = failed(judge(examine(history(*steps)), **fine | change))
    assert found == ([what] if what else [])


@pytest.mark.parametrize("joins", [0, 1, 3])
def test_kills_fall_when_the_hubs_own_worker_has_the_endpoint(joins: int) -> None:
    planned = order.troubles(random.Random(1), kills=10, joins=joins, seconds=300)
    assert len(planned.kills) == 10
    assert planned.kills == sorted(planned.kills)
    assert len(planned.stays) == joins
    assert all(0 < at <= 300 for at in planned.kills)
    assert not [at for at in planned.kills for start, end in planned.stays if start < at < end + 30]


def test_who_had_the_endpoint_when() -> None:
    hands = order.Hands()
    for at, owner in [(1.0, None), (2.0, "trial"), (3.0, "trial"), (4.0, None), (5.0, "0")]:
        hands.see(at, owner)
    assert [hands.at(moment) for moment in (1.0, 2.5, 4.5, 9.0)] == [None, "trial", "trial", "0"]


# --- rate


def every(seconds: float, n: int) -> list[float]:
    return [i * seconds for i in range(n)]


def test_pace_and_the_busiest_second() -> None:
    assert rate.pace(every(0.02, 101)) == pytest.approx(50)
    assert rate.pace([1.0]) == rate.pace([]) == 0
    assert rate.busiest_second([0.0, 0.1, 0.2, 1.15, 1.3]) == 3
    assert rate.busiest_second([]) == 0


@pytest.mark.parametrize(("change", "what"), [
    ({}, None),
    ({"times": every(0.019, 101)}, "requests/s there, first to last"),
    ({"times": every(0.0212, 101)}, "requests/s there, first to last"),
    ({"n": 102}, "arrivals at the limited endpoint"),
    ({"attempts": [1, 2]}, "most attempts of one delivery"),
    ({"beside": 70.0}, "neighbour's rate beside it, of its rate without"),
    ({"alone": 0.0}, "neighbour's rate beside it, of its rate without"),
])  # fmt: skip
def test_the_verdict_on_a_rate(change: dict[str, Any], what: str | None) -> None:
    fine = {"n": 101, "limit": 50.0, "times": every(0.02, 101), "attempts": [1, 1], "alone": 100.0, "beside": 99.0}
    assert failed(rate.judge(**fine | change)) == ([what] if what else [])


# --- slow4, crowd, backlog


@pytest.mark.parametrize(("hanging", "delivered", "met"), [(380.0, True, True), (370.0, True, False), (380.0, False, False)])
def test_the_verdict_on_a_hanging_neighbour(hanging: float, delivered: bool, met: bool) -> None:
    rates = {"beside before": 400.0, "beside hanging": hanging, "beside after": 380.0}
    results = [{"test": test, "run": 1, "e2e_msgs_per_s": r, "all_delivered": delivered} for test, r in rates.items()]
    assert Finding(trial="slow4", checks=slow4.judge(results)).passed is met
    assert not Finding(trial="slow4", checks=slow4.judge(results[:2])).passed


@pytest.mark.parametrize(("change", "count"), [
    ({}, 0),
    ({"among": {"p99_ms": 41.0}}, 1),
    ({"among": {"p99_ms": math.inf}}, 1),
    ({"missing": 1}, 1),
    ({"kept_up": 0.9}, 1),
    ({"rss_mb": 401.0}, 1),
])  # fmt: skip
def test_the_verdict_on_a_crowd(change: dict[str, Any], count: int) -> None:
    fine = {"healthy": {"p99_ms": 20.0}, "among": {"p99_ms": 39.0}, "missing": 0, "kept_up": 1.0, "rss_mb": 300.0}
    assert len(failed(crowd.judge(**fine | change))) == count


def test_a_crowd_spreads_its_events_and_knows_its_bad_ones() -> None:
    some = crowd.Crowd(crowd.Size(endpoints=1000, bad=100), ["http://127.0.0.1:1", "http://127.0.0.1:2"], 9)
    assert len(some.hanging) == len(some.refusing) == 50
    assert not some.hanging & some.refusing
    assert {some.index(n) for n in range(1000)} == set(range(1000))
    assert sum(some.healthy(n) for n in range(1000)) == 900
    assert len({some.address(n) for n in range(1000)}) == 1000
    made = {e[0]: e for i in range(1000) if (e := some.endpoint(i, refuses=False))}
    address, fields = some.address(7), made[f"crowd-{some.index(7)}"][2]
    assert (fields["tenant"], fields["event_types"]) == (address.tenant, [address.type])
    assert some.endpoint(3, refuses=True)[1] == "http://127.0.0.1:9/3"


def test_the_crowds_bad_ones_are_good_until_they_go_bad() -> None:
    some = crowd.Crowd(crowd.Size(endpoints=10, bad=4), ["http://127.0.0.1:1"], 9)
    hanging = min(some.hanging)
    assert some.take(f"/{hanging}", {}, b'{"data":{"no": 5}}', 1.0)
    some.going_bad = True
    assert not some.take(f"/{hanging}", {}, b'{"data":{"no": 6}}', 1.0)
    assert list(some.book.first) == [5]


@pytest.mark.parametrize(("change", "count"), [
    ({}, 0),
    ({"p99_ms": {"before": 20.0, "beside": 41.0, "after_kill": 20.0}}, 1),
    ({"p99_ms": {"before": 20.0, "beside": 20.0, "after_kill": 41.0}}, 1),
    ({"missing": 1}, 1),
    ({"drained": 99}, 1),
    ({"kept_up": 0.9}, 1),
    ({"flow_s": math.inf}, 1),
    ({"writes": 3.0}, 1),
    ({"rss_mb": 401.0}, 1),
])  # fmt: skip
def test_the_verdict_on_a_backlog(change: dict[str, Any], count: int) -> None:
    fine = {
        "n": 100, "p99_ms": {"before": 20.0, "beside": 30.0, "after_kill": 39.0}, "missing": 0, "drained": 100, "kept_up": 1.0,
        "flow_s": 4.0, "writes": 2.0, "rss_mb": 300.0,
    }  # fmt: skip
    assert len(failed(backlog.judge(**fine | change))) == count


def test_a_drain_counts_each_delivery_once() -> None:
    receivers = backlog.Receivers(3, Book())
    for at, number in ((1.0, 0), (2.0, 2), (3.0, 0)):
        receivers.take("/dead", {}, fill.delivery(number, "e", "t", 0).payload, at)
    assert (receivers.drained, receivers.repeats, receivers.first_at, receivers.last_at) == (2, 1, 1.0, 2.0)
    assert receivers.most_at == math.inf
    receivers.take("/dead", {}, fill.delivery(1, "e", "t", 0).payload, 4.0)
    assert receivers.most_at == 4.0


def test_a_fill_is_of_the_size_that_was_said_and_repeats_itself() -> None:
    made = fill.delivery(123_456, "e", "t", 5)
    assert abs(len(made.payload) - fill.PAYLOAD_BYTES) <= 2
    assert number_in(made.payload) == 123_456
    assert json.loads(made.payload)["type"] == made.event_type
    again = fill.delivery(123_456, "e", "t", 9)
    assert (made.id, made.webhook_id) == (again.id, again.webhook_id)
    assert made.id != fill.delivery(1, "e", "t", 5).id


# --- what Kafka wrote


def test_growth_is_that_of_the_newest_segment_whatever_is_cleaned() -> None:
    written = Written()
    for look in (
        {"held-0": {"00.log": 50}},  # what was there before
        {"held-0": {"00.log": 80}},  # +30
        {"held-0": {"00.log": 100, "20.log": 10}},  # rolled: +20 +10
        {"held-0": {"00.log": 5, "20.log": 40}, "held-1": {"00.log": 7}},  # cleaned, +30; a new partition +7
        {"held-0": {"00.log": 90, "20.log": 40}, "held-1": {"00.log": 7}},  # merged while cleaned: nothing was written
    ):
        written.look(look)
    assert written.bytes == {"held": 97}


def test_sizes_are_read_from_the_brokers_folder(tmp_path: Path) -> None:
    for folder, name, size in (("deliveries-0", "00.log", 5), ("deliveries-0", "00.index", 9), ("other-0", "00.log", 5)):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_bytes(b"x" * size)
    assert sizes(tmp_path, "deliveries") == {"deliveries-0": {"00.log": 5}}
    assert totals({"a.b-0": {"x": 1}, "a.b-1": {"x": 2, "y": 3}}) == {"a.b": 6}


def test_a_key_is_found_for_each_partition() -> None:
    names = [name_for(partition, topics.DELIVERIES, "e-") for partition in range(topics.DELIVERIES.partitions)]
    assert [partition_of(name, topics.DELIVERIES) for name in names] == list(range(topics.DELIVERIES.partitions))


# --- the command


@pytest.mark.parametrize(("arguments", "words"), [
    (["dance"], "no trial 'dance': choose from slow4"),
    (["rate", "--kills", "3"], "--kills means nothing to rate"),
    (["--env", "NOVALUE"], "'NOVALUE' sets nothing"),
])  # fmt: skip
def test_the_command_names_a_wrong_option(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert words in capsys.readouterr().err


def test_help_teaches_every_trial_and_size(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"])
    told = capsys.readouterr().out
    for name, trial in command.TRIALS.items():
        assert trial.ABOUT in told
        assert f"  {name}" in told
    assert "--n 1,000,000 (20,000)" in told


@pytest.mark.parametrize("outcome", ["met", "not met", "broken"])
def test_the_exit_code_is_the_verdict(
    outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def stand_in(trial: Any, size: Any, home: Path, environment: dict[str, str]) -> Finding:
        asked.append((trial.NAME, size, environment))
        if outcome == "broken":
            raise RuntimeError("no hub today")
        return Finding(trial=trial.NAME, checks=[exactly("a", 1, 1 if outcome == "met" else 2)])

    monkeypatch.setattr(command, "_on_a_hub", stand_in)
    out = tmp_path / "found.jsonl"
    code = command.main(["rate", "--quick", "--limit", "20", "--env", "HUB_X=1", "--out", str(out)])
    assert code == (0 if outcome == "met" else 1)
    assert asked == [("rate", rate.Size(n=rate.QUICK.n, limit=20.0), {"HUB_X": "1"})]
    line = json.loads(out.read_text())
    assert (line["trial"], line["passed"], line["size"]["limit"]) == ("rate", outcome == "met", 20.0)
    assert json.loads(capsys.readouterr().out.splitlines()[0]) == line
