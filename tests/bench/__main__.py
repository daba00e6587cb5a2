"""`python -m tests.bench`: measures this hub with the tests every webhook product can be measured with."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from tests.bench import hub as hubs
from tests.bench import measure, report
from tests.bench.measure import BESIDE, BESIDE_ABOUT, SCENARIOS, STANDARD, Options
from tests.bench.tools import Tools

if TYPE_CHECKING:
    from collections.abc import Sequence

_TEACH = """\
tests (each on a hub started for it, after a warm-up of 300 messages):
{tests}

Load generator and sink run beside the hub and share its cores; their part is in the figures. Each message is a signed
Shopify order of about 1 KB whose note carries the time it was sent; the sink reads it from what the hub delivers, so
latency is from the publisher's first byte to the receiver's last. "CPU seconds per 1,000 deliveries" is that of all
processes: the stages, the supervisor, the broker, the registry.

examples:
  python -m tests.bench                                   the standard tests, three times: about 25 minutes
  python -m tests.bench --tests beside --runs 1           95 % or more: isolation under a flood, on one hub
  python -m tests.bench --tests fan4rate,slow4rate        what a hanging endpoint does to the latency of the others
  python -m tests.bench --tests single --n 5000 --runs 1  a quick look
  python -m tests.bench --env HUB_DELIVERY_WINDOW=2000    with another setting, for a comparison
  python -m tests.bench --report .hub/bench/*.jsonl       the table of earlier runs
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 when every run delivered everything."""
    options = _parser().parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 140)
    if options.report:
        results = report.read(options.report)
    else:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        results = [r for run in range(1, options.runs + 1) for test in options.tests for r in _run(test, run, options)]
    console.print(report.table(results))
    for sentence in (*report.isolation(results), report.disturbed(results)):
        if sentence:
            console.print(sentence)
    return 0 if all(r["all_delivered"] for r in results) else 1


def _run(test: str, run: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    home = Path(tempfile.mkdtemp(prefix="hookstream-bench-"))
    tools = Tools(options.go_home)
    try:
        hub = hubs.start(home, dict(options.env))
        try:
            with tools.sink() as sink:
                wanted = Options(n=options.n, c=options.c, cap_s=options.cap, tag=options.tag)
                results = measure.run(test, run, hub, tools, sink, wanted)
        finally:
            hub.stop()
    finally:
        if options.keep:
            sys.stderr.write(f"kept {home}\n")
        else:
            shutil.rmtree(home, ignore_errors=True)
    lines = "".join(json.dumps(result) + "\n" for result in results)
    with options.out.open("a") as out:
        out.write(lines)
    sys.stdout.write(lines)
    sys.stdout.flush()
    return results


def _parser() -> argparse.ArgumentParser:
    about = {name: scenario.about for name, scenario in SCENARIOS.items()} | {BESIDE: BESIDE_ABOUT}
    tests = "\n".join(f"  {name:10}{words}" for name, words in about.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        epilog=_TEACH.format(tests=tests),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--tests", type=_tests, default=list(STANDARD), help=f"comma-separated; default: {','.join(STANDARD)}")
    parser.add_argument("--runs", type=int, default=3, help="how often each; the table shows medians (default 3)")
    parser.add_argument("--n", type=int, default=20_000, help="messages of a test (default 20000)")
    parser.add_argument("--c", type=int, default=32, help="publishers of the closed loop (default 32)")
    parser.add_argument("--cap", type=float, default=120, help="seconds a test is watched at most (default 120)")
    parser.add_argument("--tag", default="", help="a word put into each result, to tell runs apart")
    parser.add_argument("--env", type=_variable, nargs="*", default=[], metavar="NAME=VALUE", help="settings of the hub")
    parser.add_argument("--out", type=Path, default=Path(f".hub/bench/{time.strftime('%Y%m%d-%H%M%S')}.jsonl"),
                        help="file of results, one JSON object a line, appended to")  # fmt: skip
    parser.add_argument("--go-home", type=Path, help="folder with Go binaries `load` and `sink` of the same options")
    parser.add_argument("--keep", action="store_true", help="keep the hub's folder, with its logs")
    parser.add_argument("--report", type=Path, nargs="+", metavar="FILE", help="only print the table of these results")
    return parser


def _tests(text: str) -> list[str]:
    names = text.split(",")
    known = (*SCENARIOS, BESIDE)
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"no test {unknown[0]!r}: choose from {', '.join(known)}")
    return names


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} sets nothing: write NAME=VALUE")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
