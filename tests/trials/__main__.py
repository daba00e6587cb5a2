"""`python -m tests.trials`: proves on a real hub that endpoints do not disturb each other, whatever one of them does."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvloop
from rich.console import Console

from tests.bench import hub as hubs
from tests.bench.processes import Others
from tests.trials import backlog, crowd, order, rate, report, slow4
from tests.trials.finding import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

TRIALS: Final = {trial.NAME: trial for trial in (slow4, crowd, order, backlog, rate)}

_TEACH = """\
trials:
{trials}

Each runs on a hub of its own, with Kafka, all four processes, a generator and receivers on this machine, and ends with
checks: what was wanted, what was measured. A check that is not met makes the exit code 1. What a trial found is one JSON
line, on standard output and in the file of --out; progress goes to standard error, the table comes last.

Sizes (each trial has its own default; an option sets it for those of the chosen trials that have it):
{sizes}

On a machine that is busy with other things the ratios of rates and latencies mean little: read `others_cores` in the
figures, or run again when it is quiet.

examples:
  python -m tests.trials                              all, at full size: an hour
  python -m tests.trials --quick                      all, small: ten minutes
  python -m tests.trials crowd --quick                one, small
  python -m tests.trials crowd --endpoints 2000 --rate 200 --seconds 60
  python -m tests.trials backlog --n 100000           a smaller backlog
  python -m tests.trials order --kills 20             more kills
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 when every check of every trial is met."""
    parser = _parser()
    options = parser.parse_args(argv)
    names = options.trials or list(TRIALS)
    if unknown := [name for name in names if name not in TRIALS]:
        parser.error(f"no trial {unknown[0]!r}: choose from {', '.join(TRIALS)}")
    given = {field: value for field in _fields() if (value := getattr(options, field)) is not None}
    if useless := [field for field in given if not any(field in _size_of(TRIALS[name]) for name in names)]:
        parser.error(f"--{useless[0].replace('_', '-')} means nothing to {', '.join(names)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the hub is stopped on the way out
    findings = [_run(TRIALS[name], given, options) for name in names]
    Console(width=None if sys.stdout.isatty() else 140).print(report.table(findings))
    return 0 if all(finding.passed for finding in findings) else 1


def _run(trial: Any, given: dict[str, Any], options: argparse.Namespace) -> Finding:
    size = trial.QUICK if options.quick else trial.Size()
    size = dataclasses.replace(size, **{k: v for k, v in given.items() if k in _size_of(trial)})
    home = Path(tempfile.mkdtemp(prefix=f"hookstream-{trial.NAME}-"))
    _say(f"{trial.NAME}: {trial.ABOUT}")
    began = time.monotonic()
    try:
        finding = _found(trial, size, home, dict(options.env))
    finally:
        if options.keep:
            _say(f"the hub's folder, with its logs: {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
    line = finding.as_dict() | {"size": dataclasses.asdict(size), "tag": options.tag}
    line |= {"seconds": round(time.monotonic() - began), "at": time.strftime("%Y-%m-%d %H:%M:%S")}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a") as out:
        out.write(json.dumps(line) + "\n")
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    return finding


def _found(trial: Any, size: Any, home: Path, environment: dict[str, str]) -> Finding:
    """What the trial found; that it broke is a finding, too, and does not take the others' results with it."""
    try:
        with Others() as others:
            finding = _on_a_hub(trial, size, home, environment)
        return dataclasses.replace(finding, figures=finding.figures | {"others_cores": others.cores})
    except Exception:  # noqa: BLE001 - whatever it is, it is told
        traceback.print_exc()
        return Finding(trial=trial.NAME, checks=[Check("it ran to its end", "yes", "no, see the error above", met=False)])


def _on_a_hub(trial: Any, size: Any, home: Path, environment: dict[str, str]) -> Finding:
    hub = hubs.start(home, trial.ENVIRONMENT | environment)
    try:
        return uvloop.run(trial.run(hub, size, lambda words: _say(f"{trial.NAME}: {words}")))
    finally:
        hub.stop()


def _say(words: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {words}\n")
    sys.stderr.flush()


def _size_of(trial: ModuleType) -> dict[str, type]:
    return {f.name: type(f.default) for f in dataclasses.fields(trial.Size)}


def _fields() -> dict[str, type]:
    """Every size any trial has, and its type."""
    return {name: kind for trial in TRIALS.values() for name, kind in _size_of(trial).items()}


def _sizes() -> str:
    shown = []
    for name, trial in TRIALS.items():
        full, quick = (dataclasses.asdict(size) for size in (trial.Size(), trial.QUICK))
        words = (f"--{k.replace('_', '-')} {full[k]:,}" + (f" ({quick[k]:,})" if quick[k] != full[k] else "") for k in full)
        shown.append(f"  {name:9}{', '.join(words)}")
    return "\n".join([*shown, "  In brackets: with --quick."])


def _parser() -> argparse.ArgumentParser:
    trials = "\n".join(f"  {name:9}{trial.ABOUT}" for name, trial in TRIALS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.trials",
        description=__doc__,
        epilog=_TEACH.format(trials=trials, sizes=_sizes()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("trials", nargs="*", metavar="TRIAL", help=f"of {', '.join(TRIALS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes, for a first look: a verdict on them says less")
    parser.add_argument("--env", type=_variable, nargs="*", default=[], metavar="NAME=VALUE", help="settings of the hub")
    parser.add_argument("--out", type=Path, default=Path(f".hub/trials/{time.strftime('%Y%m%d-%H%M%S')}.jsonl"),
                        help="file of findings, one JSON object a line, appended to")  # fmt: skip
    parser.add_argument("--tag", default="", help="a word put into each finding, to tell runs apart")
    parser.add_argument("--keep", action="store_true", help="keep the hubs' folders, with their logs")
    sizes = parser.add_argument_group("sizes")
    for field, kind in _fields().items():
        sizes.add_argument(f"--{field.replace('_', '-')}", type=kind, help=argparse.SUPPRESS)
    return parser


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} sets nothing: write NAME=VALUE")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
