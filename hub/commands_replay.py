"""`hub replay`: send events of a range again, in a lane of their own."""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from hub.environment import running_hub
from hub.replay import job as jobs
from hub.replay.pick import Filter
from runtime import config, process
from runtime.kafka import KafkaException
from runtime.settings import Settings
from runtime.views import LiveView
from schemas import topics
from schemas.records import Record, ReplayJob

if TYPE_CHECKING:
    from collections.abc import Iterator


err = Console(stderr=True)
R = TypeVar("R", bound=Record)
V = TypeVar("V")
READY_S = 20


def replay(
    start: Annotated[
        str,
        typer.Option(
            "--from",
            help="Where to begin: a time, an age such as '2h ago', earliest, or an offset (@1200, commerce.orders/3@1200).",
        ),
    ] = "earliest",
    end: Annotated[str, typer.Option("--to", help="Where to end, written alike; not included.")] = "now",
    last: Annotated[int | None, typer.Option(min=1, help="Only the newest N events of the range that fit the filter.")] = None,
    event_type: Annotated[str | None, typer.Option("--type", help="Only this type, or a prefix such as 'order.*'.")] = None,
    key: Annotated[str | None, typer.Option(help="Only events of this business object, by its id.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="Only to this endpoint; otherwise to every endpoint that asks for the event.")
    ] = None,
    rate: Annotated[float, typer.Option(min=0, help="Deliveries per second; 0 for as fast as live traffic leaves room.")] = 0,
    tenant: Annotated[str, typer.Option(help="Whose events.")] = "default",
    resume: Annotated[str | None, typer.Option(help="Go on with this replay (rpl_…) where it stopped.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be sent, send nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Send the events of a range again.

    Replayed deliveries carry the same webhook-id as the originals and an x-hookstream-replay header. They travel in
    their own lane and consumer group: live deliveries go first and live offsets are never moved.

    Examples:

      hub replay --from '2h ago' --type 'order.*' --endpoint ep_new --dry-run

      hub replay --last 1000 --endpoint ep_new --rate 200
    """
    spec = jobs.Spec(start=start, end=end, last=last, rate=rate, filter=Filter(type=event_type, key=key, endpoint=endpoint))
    with _errors(), _prepared(spec, tenant, resume) as replay_:
        result = _run(replay_, dry=dry_run, quiet=as_json)
        answer = {"id": None if dry_run else replay_.job.id, "dry_run": dry_run, "ranges": replay_.job.ranges}
        answer |= msgspec.to_builtins(result)
    if as_json:
        typer.echo(msgspec.json.encode(answer).decode())
        return
    verb = "would be queued" if dry_run else f"queued as {replay_.job.id}"
    typer.echo(f"{result.matched:,} of {result.scanned:,} events matched; {result.queued:,} deliveries {verb}.")
    for endpoint_id, count in sorted(result.endpoints.items()):
        typer.echo(f"  {endpoint_id}  {count:,}")
    if result.unreadable:
        typer.echo(f"{result.unreadable:,} records could not be read and were left out.")


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """What can go wrong, in one line each."""
    try:
        yield
    except (ValueError, LookupError) as e:
        err.print(f"[red]hub replay:[/] {e}", highlight=False)
        sys.exit(2)
    except (jobs.ReplayError, TimeoutError, KafkaException, RuntimeError) as e:
        err.print(f"[red]hub replay:[/] {e}", highlight=False)
        sys.exit(1)


@contextlib.contextmanager
def _prepared(spec: jobs.Spec, tenant: str, resume: str | None) -> Iterator[jobs.Replay]:
    parts = process.build("replay", Settings.from_env(running_hub()))
    parts.codec.prepare(topics.REPLAY.record, topics.JOBS.record)
    with _view(config.endpoints(parts.kafka, parts.codec, parts.box)) as endpoints:
        receivers = list(endpoints.items.values())
        wanted = spec.filter.endpoint
        if resume is None and wanted is not None and wanted not in endpoints.items:
            raise LookupError(f"--endpoint {wanted}: there is no such endpoint, `hub endpoints list` shows them")
        if resume is None:
            replay_ = jobs.Replay.new(parts, receivers, spec, tenant)
        else:
            replay_ = jobs.Replay(parts, receivers, _known(parts, resume))
    try:
        yield replay_
    finally:
        replay_.close()


def _known(parts: process.Process, replay_id: str) -> ReplayJob:
    with _view(LiveView(parts.kafka, parts.codec, topics.JOBS, lambda job: job)) as known:
        job = known.items.get(replay_id)
    if job is None:
        raise LookupError(f"--resume {replay_id}: there is no such replay")
    if job.state == "done":
        raise ValueError(f"--resume {replay_id}: that replay is done, {job.queued:,} deliveries were queued")
    return job


@contextlib.contextmanager
def _view(view: LiveView[R, V]) -> Iterator[LiveView[R, V]]:
    view.start()
    try:
        view.wait_ready(READY_S)
        yield view
    finally:
        view.close()


def _run(replay_: jobs.Replay, *, dry: bool, quiet: bool) -> jobs.Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("events"), TimeRemainingColumn())
    with Bar(*columns, console=err, disable=quiet or not err.is_terminal) as bar, _cancelling(replay_, dry=dry):
        task = bar.add_task("counting" if dry else f"replaying {replay_.job.id}", total=None)

        def advance(progress: jobs.Progress) -> None:
            bar.update(task, total=progress.total, completed=progress.scanned)

        return replay_.run(dry=dry, on_progress=advance)


@contextlib.contextmanager
def _cancelling(replay_: jobs.Replay, *, dry: bool) -> Iterator[None]:
    """Ctrl-C and SIGTERM end a replay in order: what was handed over stays, the rest can be resumed."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        if not dry:
            replay_.cancel()
            err.print(f"stopped after {replay_.progress.queued:,} deliveries; go on with: hub replay --resume {replay_.job.id}")
        sys.exit(130)
    finally:
        signal.signal(signal.SIGTERM, previous)
