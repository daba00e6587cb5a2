"""One test of the bench on a running hub: publish, watch the sink, read the figures.

The tests and the figures are those every product is measured with, so that the numbers can stand side by side.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.bench import processes, target
from tests.bench.processes import PeakMemory, cpu_by_pid, cpu_seconds, tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.hub import Hub
    from tests.bench.tools import SinkProcess, Tools

WARM_UP: Final = 300
_SETTLE_S: Final = 2.0  # late duplicates are to be counted
_QUIET_WITHIN_S: Final = 60.0
_QUIET_LOOK_S: Final = 2.0
_QUIET_CORES: Final = 0.25  # an idle hub takes 0.1


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What one test sends where."""

    about: str
    healthy: str = "a"  # a letter an endpoint
    slow: str = ""
    messages: Callable[[int], int] = lambda n: n
    rate: float = 0.0


SCENARIOS: Final = {
    "single": Scenario(about="N messages, 1 endpoint, C publishers as fast as they are answered"),
    "rate": Scenario(about="50 messages/s for 20 s, 1 endpoint", messages=lambda _n: 1000, rate=50),
    "fan3": Scenario(about="N messages, 3 healthy endpoints", healthy="abc"),
    "fan4": Scenario(about="N/4 messages, 4 healthy endpoints", healthy="abcd", messages=lambda n: n // 4),
    "slow4": Scenario(about="N messages, 3 healthy endpoints and 1 that hangs 20 s", healthy="abc", slow="z"),
    "fan4rate": Scenario(about="as fan4, 100 messages/s for 30 s", healthy="abcd", messages=lambda _n: 3000, rate=100),
    "slow4rate": Scenario(about="as slow4, 100/s for 30 s", healthy="abc", slow="z", messages=lambda _n: 3000, rate=100),
}
BESIDE: Final = "beside"
BESIDE_PARTS: Final = {f"{BESIDE} before": "fan3", f"{BESIDE} hanging": "slow4", f"{BESIDE} after": "fan3"}
BESIDE_ABOUT: Final = "fan3, slow4, fan3 one after the other on ONE hub: what a hanging endpoint does to three healthy ones"
STANDARD: Final = ("single", "rate", "fan4", "slow4", BESIDE)


@dataclass(frozen=True, kw_only=True)
class Options:
    """`n` messages, `c` publishers; watched for at most `cap_s` seconds."""

    n: int = 20_000
    c: int = 32
    cap_s: float = 120.0
    tag: str = ""


@dataclass
class Cost:
    """What hub, sink and machine have spent up to a moment."""

    by_pid: dict[int, float]
    hub: float
    sink: float
    machine: float
    at: float

    @classmethod
    def read(cls, hub: Hub, sink: SinkProcess) -> Cost:
        pids = tree(hub.pids())
        return cls(cpu_by_pid(pids), cpu_seconds(pids), sink.cpu_seconds(), processes.machine_cpu_seconds(), time.monotonic())


def warm_up(hub: Hub, tools: Tools, sink: SinkProcess) -> None:
    """Connections, caches, just-in-time compilation: 300 messages on a tenant of their own."""
    where = target.create(hub, [f"{sink.url}/hook/warm"])
    figures, _ = tools.publish(where, n=WARM_UP, c=8)
    if figures["ok"] < WARM_UP:
        raise RuntimeError(f"the warm-up was refused: {figures['codes']} {figures.get('first_error', '')}")
    if not watch(sink, "warm", ["warm"], WARM_UP, time.monotonic() + 60)[0]:
        raise RuntimeError(f"the warm-up did not arrive within 60 s: {sink.stats('warm')}{hub.tail()}")


def run(name: str, number: int, hub: Hub, tools: Tools, sink: SinkProcess, options: Options) -> list[dict[str, Any]]:
    """One test, warmed up; its figures: one set, of `beside` three."""
    warm_up(hub, tools, sink)
    if name != BESIDE:
        return [_one(SCENARIOS[name], name, number, hub, tools, sink, options)]
    found = []
    for part, scenario in BESIDE_PARTS.items():
        found.append(_one(SCENARIOS[scenario], part, number, hub, tools, sink, options))
        # Each part has the hub to itself: what the hanging endpoint has left behind is taken away.
        target.remove_all(hub)
        _until_quiet(hub)
    return found


def _until_quiet(hub: Hub) -> None:
    """Until the hub has nothing to do, or a minute has gone."""
    deadline = time.monotonic() + _QUIET_WITHIN_S
    while time.monotonic() < deadline:
        before = cpu_seconds(tree(hub.pids()))
        time.sleep(_QUIET_LOOK_S)
        if cpu_seconds(tree(hub.pids())) - before < _QUIET_CORES * _QUIET_LOOK_S:
            return


def _one(
    scenario: Scenario, name: str, number: int, hub: Hub, tools: Tools, sink: SinkProcess, options: Options
) -> dict[str, Any]:
    key = f"{name.replace(' ', '-')}{number}"
    healthy, slow = [f"{key}/{x}" for x in scenario.healthy], [f"{key}/{x}" for x in scenario.slow]
    # The slow endpoint is made first, so that nothing is gained by luck of order.
    where = target.create(hub, [f"{sink.url}/slow/{k}" for k in slow] + [f"{sink.url}/hook/{k}" for k in healthy])
    time.sleep(1.5)  # every product gets this pause to take its configuration up
    sink.reset()
    with PeakMemory(hub.pids, hub.names) as memory:
        before = Cost.read(hub, sink)
        published, load_cpu = tools.publish(where, n=scenario.messages(options.n), c=options.c, rate=scenario.rate)
        done, trace = watch(sink, key, healthy, published["ok"], before.at + options.cap_s, since=before.at)
        time.sleep(_SETTLE_S)
        after = Cost.read(hub, sink)
    stats = sink.stats(key, full=True)
    head = {"peer": "hookstream", "tag": options.tag, "test": name, "run": number, "n": options.n, "c": options.c}
    figures = head | {"all_delivered": done} | _published(published) | _delivered(stats, healthy, published["t0_ns"])
    figures |= _cost(before, after, load_cpu, sum(s["count"] for s in stats.values())) | _by_process(hub, before, after)
    figures |= {"peak_pss_mb": round(memory.peak, 1), "at": time.strftime("%H:%M:%S")}
    figures |= {"peak_pss_mb_by_process": memory.pss_by_name(), "peak_rss_mb_by_process": memory.rss_by_name()}
    if slow:
        hanging = stats.get(slow[0], {})
        figures |= {"slow_started": hanging.get("started", 0), "slow_max_inflight": hanging.get("max_inflight", 0)}
        figures |= {"trace": trace[:: max(1, len(trace) // 12)] + trace[-1:]}
    return figures


def watch(
    sink: SinkProcess, key: str, paths: list[str], n: int, deadline: float, *, since: float = 0.0
) -> tuple[bool, list[tuple[float, int]]]:
    """Until each path has `n` distinct messages or the deadline: whether it has, and (seconds, fewest) on the way."""
    trace: list[tuple[float, int]] = []
    while True:
        stats = sink.stats(key)
        fewest = min(stats.get(path, {}).get("distinct", 0) for path in paths)
        trace.append((round(time.monotonic() - since, 1), fewest))
        if fewest >= n or time.monotonic() > deadline:
            return fewest >= n, trace
        time.sleep(0.25)


def _published(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        "accepted": figures["ok"],
        "codes": figures["codes"],
        "first_error": figures.get("first_error"),
        "body_bytes": figures["body_bytes"],
        "accept_rate": round(figures["rate"], 1),
        "publish_p50_ms": round(figures["p50_ms"], 2),
        "publish_p99_ms": round(figures["p99_ms"], 2),
    }


def _delivered(stats: dict[str, dict[str, Any]], healthy: list[str], t0_ns: int) -> dict[str, Any]:
    """Figures of the healthy endpoints; a latency is that of the worst of them."""
    found = [stats[path] for path in healthy if path in stats]
    seconds = (max((s["last_new_ns"] for s in found), default=0) - t0_ns) / 1e9
    distinct = [s["distinct"] for s in found]
    worst = {f"lat_{q}_ms": round(max((s[f"{q}_ms"] for s in found), default=0.0), 2) for q in ("p50", "p99", "max")}
    fewest = min(distinct, default=0) if len(found) == len(healthy) else 0
    return {
        "e2e_seconds": round(seconds, 2),
        "healthy_distinct": distinct,
        "dups": sum(s["dups"] for s in found),
        "e2e_msgs_per_s": round(fewest / seconds, 1) if seconds > 0 else 0.0,
        "deliveries_per_s": round(sum(distinct) / seconds, 1) if seconds > 0 else 0.0,
        **worst,
        "sink_conns": sum(s["conns"] for s in found),
    }


def _cost(before: Cost, after: Cost, load_cpu: float, deliveries: int) -> dict[str, Any]:
    seconds, hub, sink = after.at - before.at, after.hub - before.hub, after.sink - before.sink
    others = after.machine - before.machine - hub - sink - load_cpu
    return {
        "deliveries": deliveries,
        "cpu_s": round(hub, 2),
        "cpu_s_per_1000_deliveries": round(hub / deliveries * 1000, 3) if deliveries else None,
        "cpu_cores_peer": round(hub / seconds, 2),
        "cpu_cores_load_gen": round(load_cpu / seconds, 2),
        "cpu_cores_sink": round(sink / seconds, 2),
        "cpu_cores_others": round(others / seconds, 2),
        "watched_s": round(seconds, 1),
    }


def _by_process(hub: Hub, before: Cost, after: Cost) -> dict[str, Any]:
    """CPU seconds of each process of the hub."""
    names = hub.names()
    spent: dict[str, float] = {}
    for pid, seconds in after.by_pid.items():
        name = names.get(pid) or processes.name(pid)
        spent[name] = spent.get(name, 0.0) + seconds - before.by_pid.get(pid, 0.0)
    return {"cpu_s_by_process": {name: round(seconds, 2) for name, seconds in sorted(spent.items())}}
