"""Schema ids from a Confluent-compatible registry, kept on disk so that a process starts without it.

Subjects follow the RecordNameStrategy: one subject a record, `hookstream.Delivery`, whatever topics carry it.
Source: docs.confluent.io, "Schema Registry API" and "Subject name strategy".
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
import time
import warnings
from typing import TYPE_CHECKING, Final

from schemas.codec import SchemaUnavailableError, schema_text
from schemas.records import NAMESPACE, Record

with warnings.catch_warnings(record=True):  # authlib, on the way, speaks of httpx at every start, whatever the filters say
    from confluent_kafka.schema_registry import ConfigCompatibilityLevel, Schema, SchemaRegistryClient, ServerConfig
    from confluent_kafka.schema_registry.error import SchemaRegistryError

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.settings import Settings

__all__ = [
    "ConfigCompatibilityLevel",
    "IncompatibleSchemaError",
    "RegistryIds",
    "RegistryUnavailableError",
    "SchemaRegistryClient",
    "ServerConfig",
]

log = logging.getLogger(__name__)
TIMEOUT_S: Final = 5.0
AWAY_S: Final = 30.0  # for so long after a failure what the disk knows is not asked for: a start would wait once a schema


class RegistryUnavailableError(RuntimeError):
    """Neither the registry nor the copy on disk knows a schema."""


class IncompatibleSchemaError(RuntimeError):
    """The registry refuses a schema as incompatible with an earlier version."""


class RegistryIds:
    """`schemas.codec.SchemaIds` over a registry client and a file."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.registry_url
        self._client = SchemaRegistryClient({"url": self._url, "timeout": TIMEOUT_S, "max.retries": 1})
        self._file: Path = settings.home / "run" / "schema-ids.json"
        self._away_until = 0.0
        self._lock = threading.Lock()
        self._known = self._load()  # schema text by id

    def close(self) -> None:
        """Close connections."""
        self._client.__exit__(None, None, None)  # type: ignore[no-untyped-call]  # its only way to close

    def id_of(self, record_type: type[Record]) -> int:
        """Register the schema (idempotent) and return its id; the copy on disk serves when the registry is away."""
        text = schema_text(record_type)
        on_disk = next((schema_id for schema_id, known in self._known.items() if known == text), None)
        if on_disk is not None and time.monotonic() < self._away_until:
            return on_disk
        try:
            schema_id: int = self._client.register_schema(f"{NAMESPACE}.{record_type.__name__}", Schema(text, "AVRO"))
        except Exception as e:  # the client passes on whatever its HTTP library raises
            if isinstance(e, SchemaRegistryError) and e.http_status_code == 409:
                raise IncompatibleSchemaError(f"{record_type.__name__}: {e.error_message}") from e
            if on_disk is None:
                raise RegistryUnavailableError(
                    f"the schema registry at {self._url} does not answer ({e}) and {self._file} does not hold "
                    f"{record_type.__name__}: start the registry or set SCHEMA_REGISTRY_URL"
                ) from e
            log.warning("registry away, schema ids from disk", extra={"record": record_type.__name__, "error": str(e)})
            self._away_until = time.monotonic() + AWAY_S
            return on_disk
        self._remember(schema_id, text)
        return schema_id

    def writer_schema(self, schema_id: int) -> str:
        """Schema text of an id. Raises LookupError when neither registry nor disk has it, SchemaUnavailableError when
        the registry could not be asked."""
        known = self._known.get(schema_id)
        if known is not None:
            return known
        try:
            text = str(self._client.get_schema(schema_id).schema_str)
        except SchemaRegistryError as e:
            if e.http_status_code != 404:
                raise SchemaUnavailableError(f"the registry at {self._url} cannot tell schema id {schema_id}: {e}") from e
            raise LookupError(f"schema id {schema_id} is not in the registry at {self._url}: {e.error_message}") from e
        except Exception as e:
            raise SchemaUnavailableError(f"schema id {schema_id} is not on disk and the registry does not answer: {e}") from e
        self._remember(schema_id, text)
        return text

    def _load(self) -> dict[int, str]:
        try:
            return {int(k): str(v) for k, v in json.loads(self._file.read_text())[self._url].items()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):  # none yet, or not what we wrote
            return {}

    def _remember(self, schema_id: int, text: str) -> None:
        if self._known.get(schema_id) == text:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, self._file.with_suffix(".lock").open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)  # every process of the hub writes here: each keeps what the others learnt
            self._known = self._load() | self._known | {schema_id: text}
            temporary = self._file.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps({self._url: self._known}))
            temporary.replace(self._file)
