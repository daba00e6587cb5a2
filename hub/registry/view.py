"""What the `_schemas` topic says so far: a pure function of its records, the same in every process that reads them.

Records are Confluent's own (key types SCHEMA, CONFIG, DELETE_SUBJECT), so their registry can take the topic over.
Where two writers were at it at once, the first record wins; a later one that takes its id or version is ignored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from hub.registry import avro

if TYPE_CHECKING:
    from hub.registry.avro import Node

DEFAULT_LEVEL: Final = "BACKWARD"


@dataclass(frozen=True)
class Version:
    """One version of a subject."""

    subject: str
    version: int
    id: int
    text: str
    deleted: bool = False

    @property
    def node(self) -> Node:
        """The parsed schema."""
        return avro.parse(self.text)

    def key(self) -> bytes:
        """Key of its record."""
        return _json({"keytype": "SCHEMA", "subject": self.subject, "version": self.version, "magic": 1})

    def value(self) -> bytes:
        """Value of its record."""
        value = {"subject": self.subject, "version": self.version, "id": self.id, "schema": self.text, "deleted": self.deleted}
        return _json(value)


class View:
    """Feed it every record in order."""

    def __init__(self) -> None:
        self._subjects: dict[str, dict[int, Version]] = {}
        self._texts: dict[int, str] = {}
        self._ids: dict[str, int] = {}
        self._levels: dict[str | None, str] = {}

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Take in one record; one that is not understood is left to those who wrote it."""
        try:
            what = json.loads(key or b"null")
            body = None if value is None else json.loads(value)
        except ValueError:
            return
        match what:
            case {"keytype": "SCHEMA"} if body is not None and body.get("schemaType", "AVRO") == "AVRO":
                self._bind(Version(body["subject"], body["version"], body["id"], body["schema"], body.get("deleted", False)))
            case {"keytype": "SCHEMA", "subject": subject, "version": version} if body is None:
                self._subjects.get(subject, {}).pop(version, None)
            case {"keytype": "CONFIG", "subject": subject}:
                if body is None:
                    self._levels.pop(subject, None)
                else:
                    self._levels[subject] = body["compatibilityLevel"]
            case {"keytype": "DELETE_SUBJECT", "subject": subject} if body is not None:
                versions = self._subjects.get(subject, {})
                versions.update({n: replace(v, deleted=True) for n, v in versions.items() if n <= body["version"]})

    def _bind(self, new: Version) -> None:
        versions = self._subjects.setdefault(new.subject, {})
        own = identity(new.text)
        held = versions.get(new.version)
        taken = self._texts.get(new.id)
        if (held is None or identity(held.text) == own) and (taken is None or identity(taken) == own):
            versions[new.version] = new
            self._texts[new.id] = new.text
            self._ids.setdefault(own, new.id)

    def subjects(self) -> list[str]:
        """Names with at least one version that is not deleted."""
        return sorted(s for s in self._subjects if self.versions(s))

    def versions(self, subject: str) -> list[Version]:
        """Those not deleted, oldest first."""
        return [v for _, v in sorted(self._subjects.get(subject, {}).items()) if not v.deleted]

    def find(self, subject: str, version: int) -> Version | None:
        """A version, deleted or not."""
        return self._subjects.get(subject, {}).get(version)

    def same(self, subject: str, text: str) -> Version | None:
        """The version of the subject that has this very schema."""
        own = identity(text)
        return next((v for v in self.versions(subject) if identity(v.text) == own), None)

    def text(self, schema_id: int) -> str | None:
        """Schema of an id; also one whose subjects are all deleted, for there is data that needs it."""
        return self._texts.get(schema_id)

    def level(self, subject: str | None = None) -> str | None:
        """Compatibility level set for a subject; None asks for the one that holds for all others."""
        return self._levels.get(subject, DEFAULT_LEVEL if subject is None else None)

    def proposal(self, subject: str, text: str) -> Version:
        """The version that registering this schema would make."""
        number = max(self._subjects.get(subject, {}), default=0) + 1
        schema_id = self._ids.get(identity(text)) or max(self._texts, default=0) + 1
        return Version(subject, number, schema_id, text)


def identity(text: str) -> str:
    """Equal for schemas that differ only in white space and in the order of an object's members."""
    return json.dumps(json.loads(text), sort_keys=True)


def config_record(subject: str | None, level: str | None) -> tuple[bytes, bytes | None]:
    """Record that sets a level, or with None removes it."""
    value = None if level is None else _json({"compatibilityLevel": level})
    return _json({"keytype": "CONFIG", "subject": subject, "magic": 0}), value


def deletion_record(subject: str, up_to: int) -> tuple[bytes, bytes]:
    """Record that deletes a subject's versions, softly."""
    key = _json({"keytype": "DELETE_SUBJECT", "subject": subject, "magic": 0})
    return key, _json({"subject": subject, "version": up_to})


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
