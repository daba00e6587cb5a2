"""What every process needs before its own wiring: settings, logs, Kafka, codec, health."""

from __future__ import annotations

import sys

import msgspec

from runtime import log
from runtime.clock import SystemClock
from runtime.health import Health
from runtime.kafka import Kafka
from runtime.registry import RegistryIds
from runtime.secrets import SecretBox, SecretKeyError
from runtime.settings import Settings, SettingsError
from schemas.codec import Codec


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """The common parts of one process, made once by its `__main__`."""

    settings: Settings
    kafka: Kafka
    ids: RegistryIds
    codec: Codec
    box: SecretBox
    clock: SystemClock
    health: Health


def start(name: str) -> Process:
    """Parts for the process `name`, from the environment. Exits with one clear line when a setting cannot be used."""
    try:
        settings = Settings.from_env()
    except SettingsError as e:
        sys.exit(f"{name}: {e}")
    log.setup(settings.log_level)
    try:
        return build(name, settings)
    except SecretKeyError as e:
        sys.exit(f"{name}: {e}")


def build(name: str, settings: Settings) -> Process:
    """Parts for the process `name` with given settings."""
    clock = SystemClock()
    ids = RegistryIds(settings)
    return Process(
        settings=settings,
        kafka=Kafka(settings),
        ids=ids,
        codec=Codec(ids),
        box=SecretBox.open(settings),
        clock=clock,
        health=Health(name, clock),
    )
