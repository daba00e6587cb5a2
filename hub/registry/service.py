"""What the registry does: decide on the view, append to the log, wait until the view has it.

Ids and versions stay right with a second registry on the same topic: the first record wins, the loser notices when its
own record comes back without effect, restores what it may have overwritten, and decides again.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Protocol

from hub.registry import avro
from hub.registry.compatibility import LEVELS, violations
from hub.registry.view import Version, View, config_record, deletion_record, identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.registry.avro import Node

TRIES: Final = 20


class RegistryError(Exception):
    """An answer other than success: Confluent's error code, whose first three digits are the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = int(str(code)[:3])


class Log(Protocol):
    """The topic."""

    def append(self, key: bytes, value: bytes | None) -> None:
        """Return once the record is acknowledged and the view has taken it in. Raises RegistryError."""
        ...


class Registry:
    """Every operation of the API."""

    def __init__(self, view: View, log: Log) -> None:
        self.view = view
        self._log = log
        self._lock = threading.Lock()

    def register(self, subject: str, text: str) -> Version:
        """The version that holds this schema, made if there is none."""
        node = self._parse(text)
        with self._lock:
            for _ in range(TRIES):
                if same := self.view.same(subject, text):
                    return same
                self._demand_compatible(subject, node)
                mine = self.view.proposal(subject, text)
                self._log.append(mine.key(), mine.value())
                held = self.view.find(subject, mine.version)
                if held and held.id == mine.id and identity(held.text) == identity(text):
                    return held
                if held:  # another registry was first: compaction would keep my record, so write its own again
                    self._log.append(held.key(), held.value())
        raise RegistryError(50001, f"Another registry writes to the same topic all the time; {subject} could not be registered")

    def lookup(self, subject: str, text: str) -> Version:
        """The version that holds this schema."""
        self._parse(text)
        self._demand_subject(subject)
        if same := self.view.same(subject, text):
            return same
        raise RegistryError(40403, "Schema not found")

    def versions(self, subject: str) -> list[int]:
        """Version numbers of a subject."""
        return [v.version for v in self._demand_subject(subject)]

    def version(self, subject: str, number: str) -> Version:
        """One version; "latest" and -1 ask for the newest."""
        found = self._demand_subject(subject)
        if number in ("latest", "-1"):
            return found[-1]
        if not number.isdecimal() or not 1 <= int(number) < 2**31:
            raise RegistryError(42202, f"The specified version '{number}' is not a valid version id.")
        wanted = next((v for v in found if v.version == int(number)), None)
        if wanted is None:
            raise RegistryError(40402, f"Version {number} not found.")
        return wanted

    def schema(self, schema_id: str) -> str:
        """Text of an id."""
        text = self.view.text(int(schema_id)) if schema_id.isdecimal() else None
        if text is None:
            raise RegistryError(40403, f"Schema {schema_id} not found")
        return text

    def check(self, subject: str, text: str, number: str | None) -> list[str]:
        """Why a schema may not follow one version, or with None those that the level names; empty when it may."""
        node = self._parse(text)
        if number is None:
            return violations(self._level(subject), node, [v.node for v in self.view.versions(subject)])
        return violations(self._level(subject), node, [self.version(subject, number).node])

    def level(self, subject: str | None, *, or_global: bool = False) -> str:
        """The compatibility level that was set."""
        level = self.view.level(subject)
        if level is None and or_global:
            level = self.view.level()
        if level is None:
            raise RegistryError(40408, f"Subject '{subject}' does not have subject-level compatibility configured")
        return level

    def set_level(self, subject: str | None, level: str) -> str:
        """Set it."""
        if level.upper() not in LEVELS:
            raise RegistryError(42203, f"Invalid compatibility level. Valid values are {', '.join(sorted(LEVELS))}")
        with self._lock:
            self._log.append(*config_record(subject, level.upper()))
        return level.upper()

    def delete(self, subject: str) -> list[int]:
        """Delete a subject softly: ids stay readable, version numbers are not used again."""
        with self._lock:
            gone = self.versions(subject)
            self._log.append(*deletion_record(subject, gone[-1]))
            if self.view.level(subject):
                self._log.append(*config_record(subject, None))
        return gone

    def _level(self, subject: str) -> str:
        return self.level(subject, or_global=True)

    def _demand_subject(self, subject: str) -> Sequence[Version]:
        found = self.view.versions(subject)
        if not found:
            raise RegistryError(40401, f"Subject '{subject}' not found.")
        return found

    def _demand_compatible(self, subject: str, node: Node) -> None:
        found = violations(self._level(subject), node, [v.node for v in self.view.versions(subject)])
        if found:
            message = f"Schema being registered is incompatible with an earlier schema for subject {subject!r}"
            raise RegistryError(409, f"{message}, level {self._level(subject)}: {'; '.join(found)}")

    def _parse(self, text: str) -> Node:
        try:
            return avro.parse(text)
        except avro.InvalidSchemaError as e:
            raise RegistryError(42201, f"Invalid schema: {e}") from e
