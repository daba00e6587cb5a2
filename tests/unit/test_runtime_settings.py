"""Settings: every variable reaches its field, a bad value names the variable, secrets are never shown."""

import ipaddress
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.settings import HIDDEN, STANDARD_SCHEDULE, VARIABLES, Settings, SettingsError

GOOD = {
    "HUB_HOME": ("/var/lib/hub", Path("/var/lib/hub")),
    "KAFKA_BOOTSTRAP_SERVERS": ("a:9092,b:9092", "a:9092,b:9092"),
    "SCHEMA_REGISTRY_URL": ("https://registry.example:8081/api", "https://registry.example:8081/api"),
    "HUB_TOPIC_PREFIX": ("eu.prod-", "eu.prod-"),
    "HUB_INSTANCE": ("2", "2"),
    "HUB_HOST": ("::", "::"),
    "HUB_INGRESS_PORT": ("0", 0),
    "HUB_CONSOLE_PORT": ("65535", 65535),
    "HUB_PROCESSORS_PORT": (" 9000 ", 9000),
    "HUB_DELIVERY_PORT": ("9001", 9001),
    "HUB_ADMIN_KEY": ("an-admin-key", "an-admin-key"),
    "HUB_SECRET_KEY": ("a-secret-key", "a-secret-key"),
    "HUB_EGRESS_ALLOW": (
        "10.1.2.3/8, ::1/128,",
        (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128")),
    ),
    "HUB_EGRESS_PROXY": ("http://u:a-password@proxy:3128", "http://u:a-password@proxy:3128"),
    "HUB_RETRY_SCHEDULE": ("0, 1s, 2m", (1.0, 120.0)),
    "DATABASE_URL": ("postgresql+psycopg://u:a-password@db/hub", "postgresql+psycopg://u:a-password@db/hub"),
    "HUB_LOG_LEVEL": ("debug", "DEBUG"),
    "HUB_BODY_CAP": ("1", 1),
    "HUB_DELIVERY_WINDOW": ("10", 10),
    "HUB_DISABLE_AFTER": ("3d", 3 * 86400.0),
    "HUB_DELIVERY_MAX_REQUESTS": ("20", 20),
}

BAD = [
    ("HUB_INGRESS_PORT", "http", "want a whole number"),
    ("HUB_INGRESS_PORT", "65536", "0 (pick a free one) to 65535"),
    ("HUB_CONSOLE_PORT", "-1", "0 (pick a free one) to 65535"),
    ("HUB_PROCESSORS_PORT", "80.5", "want a whole number"),
    ("HUB_DELIVERY_PORT", "1e3", "want a whole number"),
    ("HUB_EGRESS_ALLOW", "10.0.0.0/40", "10.0.0.0/40"),
    ("HUB_EGRESS_ALLOW", "10.0.0.0/8 127.0.0.0/8", "does not appear to be"),
    ("HUB_RETRY_SCHEDULE", "5s,soon", "write a number with ms, s, m, h or d"),
    ("HUB_RETRY_SCHEDULE", "-5s", "write a number with ms, s, m, h or d"),
    ("HUB_LOG_LEVEL", "loud", "DEBUG, INFO, WARNING, ERROR or CRITICAL"),
    ("HUB_BODY_CAP", "0", "want a whole number from 1"),
    ("HUB_DELIVERY_WINDOW", "-4", "want a whole number from 1"),
    ("HUB_DISABLE_AFTER", "soon", "is no duration"),
    ("HUB_DELIVERY_MAX_REQUESTS", "many", "want a whole number"),
    ("HUB_TOPIC_PREFIX", "a b", "letters, digits, dots, dashes and underscores"),
    ("SCHEMA_REGISTRY_URL", "registry:8081", "want a URL such as"),
    ("SCHEMA_REGISTRY_URL", "http://", "want a URL such as"),
]


def test_every_variable_has_a_case_here_and_every_field_a_variable() -> None:
    assert set(GOOD) == set(VARIABLES)
    assert sorted(field for field, _ in VARIABLES.values()) == sorted(Settings.__struct_fields__)


@pytest.mark.parametrize("variable", GOOD)
def test_a_variable_reaches_its_field_and_no_other(variable: str) -> None:
    text, value = GOOD[variable]
    field, _ = VARIABLES[variable]
    settings = Settings.from_env({variable: text})
    assert getattr(settings, field) == value
    assert {f for f in Settings.__struct_fields__ if getattr(settings, f) != getattr(Settings(), f)} == {field}


@pytest.mark.parametrize(("variable", "text", "words"), BAD)
def test_a_bad_value_names_the_variable_and_what_is_accepted(variable: str, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_env({variable: text})
    assert str(raised.value).startswith(f"{variable}={text!r} cannot be used: ")
    assert words in str(raised.value)


@pytest.mark.parametrize("variable", VARIABLES)
def test_an_empty_variable_is_as_none(variable: str) -> None:
    assert Settings.from_env({variable: "  "}) == Settings()


def test_the_default_schedule_is_that_of_standard_webhooks() -> None:
    hours = [s / 3600 for s in Settings().retry_schedule]
    assert STANDARD_SCHEDULE.startswith("0,")
    assert len(hours) == 9
    assert sum(hours) == pytest.approx(75.6, abs=0.1)


def test_secrets_are_not_shown() -> None:
    settings = Settings.from_env({variable: text for variable, (text, _) in GOOD.items()})
    shown = repr(settings) + str(settings) + f"{settings}"
    for field in HIDDEN:
        assert getattr(settings, field) not in shown
        assert f"{field}='set'" in shown
    assert "a-password" not in shown
    assert "ingress_port=0" in shown


def run_process(home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    code = "from runtime.process import start; start('tester')"
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={"HUB_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2]), **environ},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"HUB_INGRESS_PORT": "high"}, "tester: HUB_INGRESS_PORT='high' cannot be used: want a whole number"),
        ({"HUB_SECRET_KEY": "short"}, "tester: HUB_SECRET_KEY holds no usable key: Fernet key must be 32 url-safe base64-encoded bytes."),
    ],
)  # fmt: skip
def test_a_process_told_nonsense_ends_with_one_clear_line(tmp_path: Path, environ: dict[str, str], line: str) -> None:
    ended = run_process(tmp_path, **environ)
    assert (ended.returncode, ended.stderr.strip()) == (1, line)
