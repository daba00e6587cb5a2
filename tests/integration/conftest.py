"""Fixtures of the integration tests."""

from tests.deliveries import start

__all__ = ["start"]
