"""Everything that changes something, as functions of Deps: the API and the dashboard call the same ones.

They raise the exceptions of `console.problems`.
"""

from console.actions.deliveries import cancel_redrive, redrive, retry
from console.actions.endpoints import (
    create_endpoint,
    delete_endpoint,
    disable_endpoint,
    patch_endpoint,
    pause_endpoint,
    put_endpoint,
    resume_endpoint,
    rotate_endpoint_secret,
    send_test,
)
from console.actions.keys import reencrypt
from console.actions.ordered import park, skip
from console.actions.recover import enable_endpoint, missed
from console.actions.sources import create_source, delete_source, patch_source, put_source, rotate_source_secret

__all__ = [
    "cancel_redrive",
    "create_endpoint",
    "create_source",
    "delete_endpoint",
    "delete_source",
    "disable_endpoint",
    "enable_endpoint",
    "missed",
    "park",
    "patch_endpoint",
    "patch_source",
    "pause_endpoint",
    "put_endpoint",
    "put_source",
    "redrive",
    "reencrypt",
    "resume_endpoint",
    "retry",
    "rotate_endpoint_secret",
    "rotate_source_secret",
    "send_test",
    "skip",
]
