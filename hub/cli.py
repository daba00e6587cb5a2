"""The `hub` command."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Annotated

import typer
from confluent_kafka import KafkaException
from rich.console import Console

from hub import (
    commands_deliveries,
    commands_endpoints,
    commands_keys,
    commands_listen,
    commands_replay,
    commands_send,
    commands_sources,
    demo,
    status,
    up,
)
from hub.environment import running_hub
from hub.errors import HubError
from runtime import process, topics
from runtime.kafka import Kafka
from runtime.registry import IncompatibleSchemaError, RegistryUnavailableError
from runtime.settings import HubSettings, Settings, SettingsError

app = typer.Typer(
    name="hub",
    help="Commerce webhook hub: signed webhooks in, one commerce model on Kafka, signed webhooks out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
topics_app = typer.Typer(help="The topics of the hub's Kafka.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")
app.add_typer(commands_sources.app, name="sources")
app.add_typer(commands_endpoints.app, name="endpoints")
app.add_typer(commands_deliveries.app, name="deliveries")
app.add_typer(commands_keys.app, name="keys")
app.command("redrive")(commands_deliveries.redrive)
app.command("replay")(commands_replay.replay)
app.command("send")(commands_send.send)
app.command("listen")(commands_listen.listen)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


@app.command("up")
def up_command(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print the processes' logs, too.")] = False,
) -> None:
    """Run the whole hub here, in the foreground: Kafka, schema registry, ingress, processors, delivery, console.

    A process that dies is started again. KAFKA_BOOTSTRAP_SERVERS and SCHEMA_REGISTRY_URL name others to be used instead.
    """
    asyncio.run(up.run(Settings.from_env(), HubSettings.from_env(), verbose=verbose))


@app.command("demo")
def demo_command(
    once: Annotated[bool, typer.Option("--once", help="One round, then exit: 0 when every order arrived, 1 otherwise.")] = False,
) -> None:
    """Run a hub of its own, send it signed Shopify orders, and watch them arrive at a receiver that verifies them."""
    raise typer.Exit(0 if demo.run(once=once) or not once else 1)


@app.command("status")
def status_command(as_json: AsJson = False) -> None:
    """Say what runs. Exit code 0 when all of it is up."""
    found = status.read()
    if as_json:
        out.print_json(json.dumps(found))
    elif found["pid"] is None:
        out.print(f"no hub runs in {found['home']}: start it with `hub up`")
    else:
        out.print(status.table(found))
        broker = found["broker"]
        out.print(f"\nKafka at {broker['bootstrap']} {'answers' if broker['reachable'] else '[red]does not answer[/]'}")
        for group, messages in found["lag"].items():
            out.print(f"  {group} is {messages:,} messages behind")
    raise typer.Exit(0 if status.all_up(found) else 1)


@topics_app.command("apply")
def topics_apply(as_json: AsJson = False) -> None:
    """Create what is missing and mend what differs; register every schema with its compatibility."""
    parts = process.build("topics", Settings.from_env(running_hub()))
    changed = topics.apply(parts.kafka)
    topics.register(parts.settings, parts.codec)
    parts.ids.close()
    _tell(changed, "nothing to change", as_json=as_json)


@topics_app.command("check")
def topics_check(as_json: AsJson = False) -> None:
    """Say what differs from the catalogue. Exit code 1 when something does."""
    found = topics.check(_kafka())
    _tell(found, "all topics are as they should be", as_json=as_json)
    raise typer.Exit(1 if found else 0)


def _kafka() -> Kafka:
    return Kafka(Settings.from_env(running_hub()))


def _tell(lines: list[str], otherwise: str, *, as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps(lines))
    else:
        out.print("\n".join(lines) or otherwise)


def main() -> None:
    """Entry point: what the user can mend is one sentence on standard error and exit code 1."""
    try:
        app()
    except (HubError, SettingsError) as e:
        err.print(f"[red]hub:[/] {e}")
        sys.exit(1)
    except (RegistryUnavailableError, IncompatibleSchemaError) as e:
        err.print(f"[red]hub:[/] {e}")
        sys.exit(1)
    except KafkaException as e:
        err.print(f"[red]hub:[/] Kafka does not do it: {e.args[0].str()}; look at KAFKA_BOOTSTRAP_SERVERS or start the hub.")
        sys.exit(1)
