"""docker-compose.yml: keys and types of the Compose specification, and sense between its parts.

No engine is needed: the file is read as Compose reads it (merge keys, ${VAR:?…}) and judged by a schema of the keys
it uses and by the facts of this repository. Where a docker CLI with compose is installed, its own judgement is asked too.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from runtime.settings import VARIABLES, Settings

ROOT = Path(__file__).parents[2]
PROCESSES = {"ingress": 8080, "console": 8081, "processors": 8082, "delivery": 8083}
GIVEN = {"HUB_ADMIN_KEY": "a", "HUB_SECRET_KEY": "s", "POSTGRES_PASSWORD": "p", "GRAFANA_ADMIN_PASSWORD": "g"}

DURATION = {"type": "string", "pattern": r"^([0-9]+(us|ms|s|m|h))+$"}
STRINGS = {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True}
SCALAR = {"type": ["string", "number", "null"]}
SERVICE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["image"],
    "properties": {
        "image": {"type": "string"},
        "build": {"type": "string"},
        "command": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "restart": {"type": "string", "pattern": r"^(no|always|unless-stopped|on-failure(:[0-9]+)?)$"},
        "init": {"type": "boolean"},
        "read_only": {"type": "boolean"},
        "stop_grace_period": DURATION,
        "tmpfs": STRINGS,
        "cap_drop": STRINGS,
        "security_opt": STRINGS,
        "ports": STRINGS,
        "volumes": STRINGS,
        "environment": {"type": "object", "propertyNames": {"pattern": "^[A-Z][A-Z0-9_]*$"}, "additionalProperties": SCALAR},
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["condition"],
                "properties": {
                    "condition": {"enum": ["service_started", "service_healthy", "service_completed_successfully"]},
                },
            },
        },
        "healthcheck": {
            "type": "object",
            "additionalProperties": False,
            "required": ["test"],
            "properties": {
                "test": {
                    "type": "array",
                    "items": {"type": "string"},
                    "minItems": 2,
                    "prefixItems": [{"enum": ["CMD", "CMD-SHELL"]}],
                },
                "interval": DURATION,
                "timeout": DURATION,
                "start_period": DURATION,
                "retries": {"type": "integer", "minimum": 1},
            },
        },
    },
}
COMPOSE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["services"],
    "patternProperties": {"^x-": {}},
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "services": {"type": "object", "propertyNames": {"pattern": r"^[a-zA-Z0-9._-]+$"}, "additionalProperties": SERVICE},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
    },
}

_VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::(?:-(?P<default>[^}]*)|\?(?P<error>[^}]*)))?\}")


def interpolate(node: Any, environ: dict[str, str]) -> Any:
    """Variables replaced as Compose replaces them: `:-` gives a default, `:?` refuses an empty value."""

    def value(match: re.Match[str]) -> str:
        found = environ.get(match[1], "")
        if not found and match["error"] is not None:
            raise LookupError(f"{match[1]}: {match['error']}")
        return found or match["default"] or ""

    if isinstance(node, dict):
        return {k: interpolate(v, environ) for k, v in node.items()}
    if isinstance(node, list):
        return [interpolate(v, environ) for v in node]
    return _VARIABLE.sub(value, node) if isinstance(node, str) else node


RAW: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
FILE: dict[str, Any] = interpolate(RAW, GIVEN)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]


def test_the_file_has_the_shape_of_the_specification() -> None:
    jsonschema.Draft202012Validator.check_schema(COMPOSE)
    jsonschema.validate(FILE, COMPOSE)


@pytest.mark.parametrize("change", [{"restrat": "always"}, {"restart": False}, {"depends_on": {"kafka": {}}}, {"ports": [8080]}])
def test_the_schema_refuses_what_compose_would(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"services": {"ingress": SERVICES["ingress"] | change}}, COMPOSE)


def test_every_part_of_the_production_shape_is_there() -> None:
    images = {name: service["image"].split(":")[0] for name, service in SERVICES.items()}
    assert images["kafka"] == "apache/kafka"
    assert {"postgres", "prometheus", "grafana", "schema-registry"} <= set(images)
    assert {name for name, image in images.items() if image == "hookstream"} == {"topics", *PROCESSES}
    assert SERVICES["topics"]["command"] == ["hub", "topics", "apply"]
    for process in PROCESSES:
        assert SERVICES[process]["command"] == ["python", "-m", process]
        assert (ROOT / process / "__main__.py").exists()


@pytest.mark.parametrize("name", SERVICES)
class TestService:
    def test_image_is_pinned(self, name: str) -> None:
        assert re.fullmatch(r"[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?", SERVICES[name]["image"])

    def test_waits_only_for_services_that_exist_and_can_tell(self, name: str) -> None:
        for other, how in SERVICES[name].get("depends_on", {}).items():
            assert other in SERVICES
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]
            if how["condition"] == "service_completed_successfully":
                assert SERVICES[other]["restart"] == "no", "a job that restarts never completes"

    def test_says_how_it_is_and_comes_back(self, name: str) -> None:
        job = any(
            service.get("depends_on", {}).get(name, {}).get("condition") == "service_completed_successfully"
            for service in SERVICES.values()
        )
        assert ("healthcheck" in SERVICES[name]) is not job
        assert SERVICES[name]["restart"] == ("no" if job else "unless-stopped")

    def test_volumes_are_declared_and_mounted_files_exist(self, name: str) -> None:
        for volume in SERVICES[name].get("volumes", []):
            source, target, *mode = volume.split(":")
            assert target.startswith("/")
            if source.startswith("."):
                assert (ROOT / source).exists(), source
                assert mode == ["ro"]
            else:
                assert source in FILE["volumes"]

    def test_our_variables_are_ones_the_settings_know(self, name: str) -> None:
        if SERVICES[name]["image"].startswith("hookstream:"):
            assert set(SERVICES[name]["environment"]) <= set(VARIABLES)
            Settings.from_env({k: str(v) for k, v in SERVICES[name]["environment"].items()})
        else:
            assert not [v for v in SERVICES[name].get("environment", {}) if v.startswith("HUB_")]


def test_no_wait_is_in_a_circle() -> None:
    waits = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    while ready := {name for name, others in waits.items() if not others & set(waits)}:
        for name in ready:
            del waits[name]
    assert waits == {}


def test_published_ports_are_unique() -> None:
    published = [port.split(":")[-2] for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == len(set(published))


def test_only_the_hubs_own_ports_are_open_to_others() -> None:
    public = {name for name, s in SERVICES.items() for port in s.get("ports", []) if not port.startswith("127.0.0.1:")}
    assert public == {"ingress", "console"}


@pytest.mark.parametrize(("process", "port"), PROCESSES.items())
def test_a_process_is_asked_whether_it_is_ready_where_it_answers(process: str, port: int) -> None:
    assert getattr(Settings(), f"{process}_port") == port
    assert f"http://127.0.0.1:{port}/readyz" in SERVICES[process]["healthcheck"]["test"][-1]


def test_volumes_are_all_used() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert set(FILE["volumes"]) <= used


def test_the_example_names_every_variable_the_file_asks_for_and_only_those() -> None:
    asked = {match[1] for match in _VARIABLE.finditer((ROOT / "docker-compose.yml").read_text())}
    named = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert named == asked


@pytest.mark.parametrize("variable", GIVEN)
def test_a_missing_secret_is_refused_and_never_has_a_default(variable: str) -> None:
    with pytest.raises(LookupError, match=f"{variable}: set it in .env"):
        interpolate(RAW["services"], GIVEN | {variable: ""})


def test_the_example_holds_no_secret() -> None:
    assert not re.search(r"^[A-Z_]+=.+$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert ".env" in (ROOT / ".gitignore").read_text().split()


def has_compose() -> bool:
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_compose(), reason="no docker CLI with compose here; the other checks stand alone")
def test_docker_compose_accepts_it() -> None:
    told = subprocess.run(
        ["docker", "compose", "--file", "docker-compose.yml", "config", "--quiet"],
        cwd=ROOT, env=dict(os.environ) | GIVEN, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (told.returncode, told.stderr) == (0, "")


# --- the image

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def copied() -> list[str]:
    """What the Dockerfile takes from the build context."""
    lines = [line.split() for line in DOCKERFILE.splitlines() if line.startswith("COPY ") and "--from" not in line]
    return [source for line in lines for source in line[1:-1]]


def test_the_image_takes_only_what_exists_and_every_package() -> None:
    assert all((ROOT / source).exists() for source in copied())
    packages = {p.parent.name for p in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages <= set(copied())


def test_the_build_context_is_what_the_image_takes() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == set(copied())


def test_everything_installed_is_checked_by_hash() -> None:
    installs = re.findall(r"pip install ([^\\&\n]+)", DOCKERFILE)
    assert len(installs) == 2
    assert all("--require-hashes" in i or "--no-index" in i for i in installs)


def test_the_image_does_not_run_as_root() -> None:
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert re.search(r"^USER hub$", last, re.MULTILINE)
    assert all(
        "EXPOSE" not in line or set(line.split()[1:]) == {str(p) for p in PROCESSES.values()} for line in last.splitlines()
    )
