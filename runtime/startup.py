"""Waiting for Kafka and the schema registry at the start: processes and brokers are started together."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Final

from runtime.kafka import KafkaException
from runtime.registry import IncompatibleSchemaError, RegistryUnavailableError
from schemas import topics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.kafka import Kafka
    from schemas.codec import Codec
    from schemas.records import Record

log = logging.getLogger(__name__)
PATIENCE_S: Final = 60.0


def wait_for_kafka(kafka: Kafka, process: str, patience_s: float = PATIENCE_S) -> None:
    """Block until the broker answers and has the topics. Exits with one line that says what to do."""
    deadline = time.monotonic() + patience_s
    admin = kafka.admin()
    wanted = {kafka.name(t) for t in topics.ALL}
    while True:
        try:
            missing = wanted - set(admin.list_topics(timeout=5).topics)
            if not missing:
                return
            why = f"{len(missing)} topics are missing ({min(missing)} …): run `hub topics apply`"
        except KafkaException as e:
            why = f"no answer from {kafka.bootstrap} ({e.args[0].str()}): start Kafka or set KAFKA_BOOTSTRAP_SERVERS"
        if time.monotonic() > deadline:
            sys.exit(f"{process}: {why}")
        log.warning("waiting for Kafka", extra={"why": why})
        time.sleep(0.5)


def wait_for_schemas(codec: Codec, process: str, records: Sequence[type[Record]], patience_s: float = PATIENCE_S) -> None:
    """Block until the schema ids of `records` are known, from the registry or the disk. Exits with one line otherwise."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            codec.prepare(*records)
        except IncompatibleSchemaError as e:
            sys.exit(f"{process}: the schema registry refuses a schema: {e}")
        except RegistryUnavailableError as e:
            if time.monotonic() > deadline:
                sys.exit(f"{process}: {e}")
            log.warning("waiting for the schema registry", extra={"why": str(e)})
            time.sleep(0.5)
        else:
            return
