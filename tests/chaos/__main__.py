"""`python -m tests.chaos`: kills the hub's processes under load and proves that nothing acknowledged is lost."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop
from rich.console import Console

from tests.bench.hub import STAGES
from tests.chaos import experiment, report
from tests.chaos.experiment import Settings
from tests.chaos.faults import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.chaos.verdict import Verdict

UNSAFE: Final = {"HUB_COMMAND_PROCESSORS": f"{sys.executable} -m tests.unsafe_agent"}

_TEACH = """\
A fresh hub gets signed orders and payments at a steady rate; every message is sent again, with its own id, until the hub
answers 2xx. Meanwhile its processes are hit at random moments. When all is quiet the books are compared: every accepted
event must have arrived, under one webhook-id, with a right signature, and nothing else. Orders whose payment came must
have been released, once. Duplicates and inversions are counted; they are no failure, because a hub that delivers at least
once may make them.

Without --safe or --unsafe, two experiments run: the hub as it is, which has to pass, and a negative control, in which an
agent known to lose events takes the processors' place and which has to fail: a harness that finds nothing there would
prove nothing here.

examples:
  python -m tests.chaos                                          5 SIGKILLs of each process, then the control: 6 minutes
  python -m tests.chaos --safe --faults term,stop --kills 2      clean stops and stalls
  python -m tests.chaos --safe --processes delivery --kills 20 --sink-fail-rate 0.1
  python -m tests.chaos --safe --kills 0 --broker-kills 5        the broker instead
  python -m tests.chaos --unsafe; echo $?                        1: the control loses events, and is seen to
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 when the hub passed and the control, if run with it, failed."""
    options = _parser().parse_args(argv)
    safe = Settings(
        rate=options.rate, processes=tuple(options.processes), kinds=tuple(options.faults), kills=options.kills,
        broker_kills=options.broker_kills, seconds=options.duration, seed=options.seed, stop_s=options.stop_s,
        sink_fail_rate=options.sink_fail_rate, environment=dict(options.env),
    )  # fmt: skip
    control = replace(safe, environment=safe.environment | UNSAFE)
    if options.unsafe:
        return 0 if _experiment("negative control", control, options).passed else 1
    passed = _experiment("chaos", safe, options).passed
    if options.safe:
        return 0 if passed else 1
    # What an agent loses, it loses on a clean stop: it commits what it took and has not sent on.
    control = replace(control, processes=("processors",), kinds=("term",), kills=4, broker_kills=0, seconds=60)
    lost = bool(_experiment("negative control: an agent known to lose events", control, options).missing)
    sys.stdout.write(
        f"the hub {'passed' if passed else 'FAILED'}; the control {'lost events, as it has to' if lost else 'LOST NOTHING'}\n"
    )
    return 0 if passed and lost else 1


def _experiment(title: str, settings: Settings, options: argparse.Namespace) -> Verdict:
    home = Path(tempfile.mkdtemp(prefix="hookstream-chaos-"))
    verdict = uvloop.run(experiment.run(settings, home))
    console = Console(width=None if sys.stdout.isatty() else 140)
    report.show(console, title, verdict)
    line = json.dumps({"experiment": title, "rate": settings.rate, "seed": settings.seed} | verdict.as_dict())
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with options.out.open("a") as out:
            out.write(line + "\n")
    if options.keep or not verdict.passed:
        console.print(f"the hub's folder, with its logs: {home}")
    else:
        shutil.rmtree(home, ignore_errors=True)
    return verdict


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, epilog=_TEACH, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--safe", action="store_true", help="only the hub as it is")
    which.add_argument("--unsafe", action="store_true", help="only the negative control, with the faults asked for; exits 1")
    parser.add_argument("--rate", type=float, default=200, help="messages a second (default 200)")
    parser.add_argument("--kills", type=int, default=5, help="faults of each kind on each process (default 5)")
    parser.add_argument("--faults", type=_of(SIGNALS), default=["kill"], help="of kill, term, stop (default kill)")
    parser.add_argument("--processes", type=_of(STAGES), default=list(STAGES), help="which to hit (default: all four)")
    parser.add_argument("--broker-kills", type=int, default=0, help="SIGKILLs of the embedded broker (default 0)")
    parser.add_argument("--stop-s", type=float, default=15, help="how long a SIGSTOP lasts (default 15)")
    parser.add_argument("--duration", type=float, help="seconds of load (default: 8 a fault)")
    parser.add_argument("--seed", type=int, default=1, help="of traffic, faults and failures (default 1)")
    parser.add_argument("--sink-fail-rate", type=float, default=0.0, help="share of requests the receivers answer with 500")
    parser.add_argument("--env", type=_variable, nargs="*", default=[], metavar="NAME=VALUE", help="settings of the hub")
    parser.add_argument("--out", type=Path, help="file of verdicts, one JSON object a line, appended to")
    parser.add_argument("--keep", action="store_true", help="keep the hub's folder; kept anyway when the verdict is bad")
    return parser


def _of(known: Iterable[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return names

    return parse


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} sets nothing: write NAME=VALUE")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
