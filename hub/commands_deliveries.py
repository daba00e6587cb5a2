"""`hub deliveries`: what was sent, what came back, and sending it again; `hub redrive` for the dead."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub import show
from hub.api_client import Api
from hub.errors import HubError
from hub.show import AsJson  # noqa: TC001 - typer reads the annotations

if TYPE_CHECKING:
    from collections.abc import Mapping

app = typer.Typer(help="Deliveries: what was sent, what came back, sending it again.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="Delivery.")]
Endpoint = Annotated[str | None, typer.Option(help="Only of this endpoint.")]
Type = Annotated[str | None, typer.Option(help="Only of this event type.")]
Key = Annotated[str | None, typer.Option(help="Only of this object, such as order/1004.")]
Tenant = Annotated[str | None, typer.Option(help="Only of this tenant.")]
LOOK_S = 0.5


@app.command("list")
def list_(
    endpoint: Endpoint = None,
    state: Annotated[list[str] | None, typer.Option(help="queued, retrying, delivered, dead or superseded. Repeatable.")] = None,
    event_type: Annotated[str | None, typer.Option("--type", help="Only of this event type.")] = None,
    key: Key = None,
    tenant: Tenant = None,
    since: Annotated[str | None, typer.Option(help="Received from then on, such as 2026-11-23T02:14:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Received before.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Deliveries, newest received first."""
    wanted = {"endpoint": endpoint, "state": state, "type": event_type, "key": key, "tenant": tenant, "from": since, "to": until}
    with Api.of_running_hub() as api:
        found = list(api.pages("/deliveries", most=limit, **wanted))
    if as_json:
        show.as_json(found)
        return
    columns = [(name, lambda d, n=name: d[n]) for name in ("id", "state", "endpoint_id", "event_type", "object_key", "spent")]
    show.table(found, [*columns, ("received", lambda d: show.ago(d["received_at"])), ("last", _last)], "no deliveries match")


@app.command("show")
def show_(
    delivery_id: Id,
    as_json: AsJson = False,
) -> None:
    """One delivery: what was sent and every attempt."""
    with Api.of_running_hub() as api:
        found = api.get(f"/deliveries/{delivery_id}")
    if as_json:
        show.as_json(found)
        return
    attempts, payload = found.pop("attempts"), found.pop("payload")
    kept = found.pop("payload_base64")
    show.fields(found)
    typer.echo(f"\n{payload or (f'{len(kept)} characters of base64: see --json' if kept else 'the payload is no longer kept')}\n")
    columns = [
        ("attempt", lambda a: a["attempt"]),
        ("at", lambda a: show.moment(a["started_at"])),
        ("took", lambda a: f"{a['total_ms']:.1f} ms"),
        ("state", lambda a: a["state"]),
        ("answer", lambda a: a["status"] or a["error_class"]),
        ("words", lambda a: a["error"] or (a["response_head"] or "")[:100]),
    ]
    show.table(attempts, columns, "no attempts yet")


@app.command()
def retry(
    delivery_id: Id,
    force: Annotated[bool, typer.Option("--force", help="Also when it is delivered or under way.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send a dead delivery again, under the same webhook id; one that waits at an ordered endpoint at once."""
    with Api.of_running_hub() as api:
        found = api.post(f"/deliveries/{delivery_id}/retry", {"force": force})
    if as_json:
        show.as_json(found)
    else:
        show.fields(found)


@app.command()
def skip(delivery_id: Id, as_json: AsJson = False) -> None:
    """Give up a delivery that waits at an ordered endpoint; the next of its object goes."""
    _command(delivery_id, "skip", as_json=as_json)


@app.command()
def park(delivery_id: Id, as_json: AsJson = False) -> None:
    """Keep a delivery that waits at an ordered endpoint, and those behind it, until it is retried."""
    _command(delivery_id, "park", as_json=as_json)


def _command(delivery_id: str, what: str, *, as_json: bool) -> None:
    with Api.of_running_hub() as api:
        found = api.post(f"/deliveries/{delivery_id}/{what}", {})
    if as_json:
        show.as_json(found)
    else:
        show.fields(found)


def redrive(
    endpoint: Endpoint = None,
    event_type: Annotated[str | None, typer.Option("--type", help="Only of this event type.")] = None,
    key: Key = None,
    tenant: Tenant = None,
    cause: Annotated[str | None, typer.Option(help="Only what died of this, such as exhausted.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count them, send nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send all dead deliveries that match again, on the replay lane, and wait until all are queued."""
    given = {"endpoint_id": endpoint, "event_type": event_type, "object_key": key, "tenant": tenant, "cause": cause}
    with Api.of_running_hub() as api:
        job = api.post("/dead/redrive", {**{k: v for k, v in given.items() if v is not None}, "dry_run": dry_run})
        while job["state"] == "running":
            time.sleep(LOOK_S)
            job = api.get(f"/redrives/{job['id']}")
    if as_json:
        show.as_json(job)
    elif job["state"] == "counted":
        typer.echo(f"{job['matched']} dead deliveries match; nothing was sent")
    else:
        typer.echo(f"{job['sent']} of {job['matched']} queued again, {job['gone']} no longer in Kafka, {job['skipped']} skipped")
    if job["state"] == "failed":
        raise HubError(f"The re-drive stopped: {job['error']}. Start it again: what was sent is no longer dead.")


def _last(row: Mapping[str, Any]) -> object:
    return row["cause"] or row["last_error"] or row["last_status"]
