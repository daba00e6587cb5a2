"""Fixtures for every test."""

import os

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.kafka_fixture import bootstrap, registry_url, settings, topic_prefix

__all__ = ["bootstrap", "registry_url", "settings", "topic_prefix"]

# A busy machine is no finding. In CI hypothesis takes its own profile, which says the same and is deterministic.
hypothesis_settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("ci" if os.environ.get("CI") else "unhurried")
