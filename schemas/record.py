"""What every record is: a frozen struct named as its Avro schema."""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, frozen=True, gc=False):
    """Base of all records; `Record.__name__` is the Avro name."""
