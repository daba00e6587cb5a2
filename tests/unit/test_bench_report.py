"""The bench's arithmetic: what processes cost, medians, isolation, the specification other benches read."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from tests.bench import __main__ as command
from tests.bench import hub, peer, processes, report, target

if TYPE_CHECKING:
    from pathlib import Path


def result(test: str, **figures: Any) -> dict[str, Any]:
    return {"test": test, "accepted": 1000, "all_delivered": True} | figures


def test_a_table_has_medians_over_the_runs() -> None:
    console = Console(file=io.StringIO(), width=200)
    console.print(report.table([result("single", accept_rate=r) for r in (100.0, 900.0, 300.0)]))
    shown = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO above
    assert "300.0" in shown
    assert "3 of 3" in shown
    assert "900.0" not in shown


def test_isolation_compares_healthy_endpoints_with_and_without_a_slow_one() -> None:
    flood = [result("fan4", run=1, e2e_msgs_per_s=400.0), result("slow4", run=1, e2e_msgs_per_s=392.0)]
    flood += [result("fan4", run=2, e2e_msgs_per_s=200.0), result("slow4", run=2, e2e_msgs_per_s=100.0)]
    (said,) = report.isolation(flood)
    assert "messages/s of a healthy endpoint, run by run: 98%, 50% " in said
    steady = [
        result("fan4rate", run=1, lat_p99_ms=20.0, lat_p50_ms=8.0),
        result("slow4rate", run=1, lat_p99_ms=30.0, lat_p50_ms=8.0),
    ]
    assert ["100%" in said or "150%" in said for said in report.isolation(steady)] == [True, True]
    assert report.isolation(flood[:1]) == []


def test_a_hanging_neighbour_is_compared_with_before_and_after_on_the_same_hub() -> None:
    rates = {"beside before": 400.0, "beside hanging": 360.0, "beside after": 320.0}
    runs = [result(test, run=1, e2e_msgs_per_s=rate) for test, rate in rates.items()]
    assert report.beside(runs) == {1: 1.0}
    assert report.beside(runs[:2]) == {}
    runs[1]["e2e_msgs_per_s"] = 180.0
    (said,) = report.isolation(runs)
    assert "the same hub: 50%" in said


def test_a_run_that_was_disturbed_is_named() -> None:
    runs = [result("single", run=1, cpu_cores_others=0.1), result("single", run=2, cpu_cores_others=0.9)]
    said = report.disturbed(runs)
    assert said
    assert "single 2: 0.9" in said
    assert "single 1" not in said
    assert report.disturbed(runs[:1]) is None


def test_the_cost_of_children_is_found() -> None:
    child = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint(1, flush=True)\ninput()"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdin
    process.stdout.readline()
    pids = processes.tree([process.pid])
    assert len(pids) == 2
    assert process.pid in pids
    assert os.getpid() not in pids
    assert 0.25 < processes.cpu_seconds(pids) < 5
    pss, rss = processes.memory(pids)
    assert 1 < pss <= rss
    assert processes.machine_cpu_seconds() > 0
    process.communicate(b"\n")
    assert processes.cpu_seconds(pids) == 0  # ended: nothing to read, nothing raised


def test_memory_peaks_are_kept() -> None:
    with processes.PeakMemory(lambda: [os.getpid()], lambda: {os.getpid(): "me"}) as memory:
        deadline = time.monotonic() + 10
        while not memory.peak and time.monotonic() < deadline:
            time.sleep(0.05)
    assert memory.peak > 1
    assert 1 < memory.pss_by_name()["me"] <= memory.rss_by_name()["me"]


class FakeHub:
    """Remembers what was asked of the API."""

    ingress = "http://127.0.0.1:1"

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, dict[str, Any]]] = []

    def api(self, method: str, path: str, body: dict[str, Any]) -> None:
        self.calls.append((method, path, body))


def test_each_target_is_a_tenant_of_its_own() -> None:
    fake = FakeHub()
    made = [target.create(fake, ["http://127.0.0.1:2/hook/a"]) for _ in range(2)]  # type: ignore[arg-type]
    tenants = {body["tenant"] for _, _, body in fake.calls}
    assert len(tenants) == 2
    assert len({t["url"] for t in made}) == 2
    options = target.arguments(made[0], "body.json")
    assert "X-Shopify-Webhook-Id: {{UUID}}" in options
    assert json.loads(target.dump(made[0]))["sign"].startswith("X-Shopify-Hmac-Sha256:")


def test_a_hub_survives_being_written_down(tmp_path: Path) -> None:
    one = hub.Hub(7, str(tmp_path), "key", {"ingress": 1, "console": 2})
    assert hub.load(one.dump()) == one
    assert one.processes() == {}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "hub.json").write_text('{"processes": [{"name": "ingress", "pid": 9, "state": "running", "port": 1}]}')
    assert one.pids() == [7, 9]


def test_peer_teaches_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert peer.main([]) == 2
    assert '"setup"' in capsys.readouterr().err


def test_the_command_prints_the_table_of_earlier_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lost = result("single", accept_rate=5.0) | {"all_delivered": False}
    (tmp_path / "r.jsonl").write_text(json.dumps(lost) + "\n")
    assert command.main(["--report", str(tmp_path / "r.jsonl")]) == 1
    assert "0 of 1" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--tests", "dance"], ["--env", "NOVALUE"]])
def test_the_command_names_a_wrong_option(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(wrong)
    assert wrong[1] in capsys.readouterr().err
