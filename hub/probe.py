"""Does a Kafka answer? Asked quietly: librdkafka's own complaints about a broker that is starting are not news."""

from __future__ import annotations

import logging

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

_SILENT = logging.getLogger("hub.probe")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


def quiet_admin(bootstrap: str) -> AdminClient:
    """An admin client that tries often and says nothing."""
    address = {"bootstrap.servers": bootstrap}
    quick = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "socket.timeout.ms": 5000}
    return AdminClient({**address, **quick, "logger": _SILENT})  # type: ignore[dict-item]  # the stub knows no logger


class Probe:
    """Asks one address for metadata."""

    def __init__(self, bootstrap: str) -> None:
        self._admin = quiet_admin(bootstrap)

    def answers(self, timeout_s: float) -> bool:
        """Whether a broker answered within the time."""
        try:
            return bool(self._admin.list_topics(timeout=timeout_s).brokers)
        except KafkaException:
            return False
