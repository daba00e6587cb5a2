"""Every record type that has a schema, for tests of all of them."""

from schemas import records
from schemas.records import Record

TYPES: list[type[Record]] = sorted(
    (
        value
        for name, value in vars(records).items()
        if isinstance(value, type) and issubclass(value, Record) and value is not Record and not name.startswith("_")
    ),
    key=lambda record: record.__name__,
)
