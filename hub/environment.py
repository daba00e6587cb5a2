"""The environment for commands that speak to a hub: the caller's, completed from the hub that runs in HUB_HOME."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hub import admin_key, state
from runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping


def running_hub(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What is set wins; the address of Kafka, the registry, the ports and the admin key come from the running hub."""
    env = dict(os.environ if environ is None else environ)
    home = Settings.from_env(env).home
    found = state.running(home)
    if found is None:
        return env
    known = {"KAFKA_BOOTSTRAP_SERVERS": found.bootstrap, "SCHEMA_REGISTRY_URL": found.registry_url}
    known |= {f"HUB_{p.name.upper()}_PORT": str(p.port) for p in found.processes if p.port}
    key = admin_key.kept(home)
    if key:
        known["HUB_ADMIN_KEY"] = key
    return {**known, **{name: value for name, value in env.items() if value or name not in known}}
