"""`hub keys`: the keys that stored secrets are encrypted with, changed while the hub runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from hub import show
from hub.api_client import Api
from hub.child import write_atomically
from hub.environment import running_hub
from hub.errors import HubError
from hub.show import AsJson  # noqa: TC001 - typer reads the annotations
from runtime.secrets import KEY_FILE, SecretBox, SecretKeyError, new_key
from runtime.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(help="Keys that stored secrets are encrypted with: new, rotate, retire, in this order.", no_args_is_help=True)

PART = 50  # sources and endpoints of one call


@app.command()
def new(as_json: AsJson = False) -> None:
    """Put a new key in front of those in HUB_HOME/secret.key; running processes take it up by themselves.

    Where HUB_SECRET_KEY is set, the key is printed for you to put in front there.
    """
    settings = Settings.from_env(running_hub())
    key = new_key()
    if settings.secret_key:
        if as_json:
            show.as_json({"key": key, "kept": False})
        else:
            typer.echo(key)
            typer.echo(
                "Set HUB_SECRET_KEY to this, a comma, and what it is now; restart all processes; `hub keys rotate`.", err=True
            )
        return
    path = settings.home / KEY_FILE
    keys = [key, *_keys(path)]
    _keep(path, keys)
    _tell(
        {"file": str(path), "keys": len(keys)}, f"{path} holds {len(keys)} keys, newest first: `hub keys rotate`", as_json=as_json
    )


@app.command()
def rotate(as_json: AsJson = False) -> None:
    """Encrypt all stored secrets anew by the newest key."""
    with Api.of_running_hub() as api:
        before = _call(api, 0)
        whole, done = before["left"], 0
        while (part := _call(api, PART))["rewritten"]:
            done += part["rewritten"]
            if not as_json:
                typer.echo(f"{done} of {max(whole, done + part['left'])} sources and endpoints rewritten")
            if not part["left"]:
                break
    words = f"all {part['records']} sources and endpoints are encrypted by the newest key: `hub keys retire` gives up the others"
    _tell({"records": part["records"], "rewritten": done, "left": part["left"]}, words, as_json=as_json)


@app.command()
def retire(as_json: AsJson = False) -> None:
    """Give up all keys but the newest, once nothing stored needs them."""
    settings = Settings.from_env(running_hub())
    with Api.of_running_hub() as api:
        left = _call(api, 0)["left"]
    if left:
        raise HubError(f"{left} sources and endpoints need an older key: run `hub keys rotate` first.")
    if settings.secret_key:
        raise HubError("The keys are in HUB_SECRET_KEY: leave only the first one there and restart all processes.")
    path = settings.home / KEY_FILE
    keys = _keys(path)
    _keep(path, keys[:1])
    _tell({"file": str(path), "retired": len(keys) - 1}, f"{path} holds one key; {len(keys) - 1} retired", as_json=as_json)


def _call(api: Api, limit: int) -> dict[str, Any]:
    found: dict[str, Any] = api.post("/secrets/reencrypt", {"limit": limit})
    return found


def _keys(path: Path) -> list[str]:
    """Keys of the file, all of them usable. Raises HubError."""
    try:
        keys = path.read_text().split()
        SecretBox(keys, str(path))
    except (OSError, SecretKeyError) as e:
        raise HubError(f"{path} cannot be used ({e}): set HUB_HOME to the data folder of a hub that has run.") from e
    return keys


def _keep(path: Path, keys: list[str]) -> None:
    write_atomically(path, "".join(f"{k}\n" for k in keys).encode(), mode=0o600)


def _tell(found: dict[str, Any], words: str, *, as_json: bool) -> None:
    if as_json:
        show.as_json(found)
    else:
        typer.echo(words)
