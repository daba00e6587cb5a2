"""The documentation says what is true: links lead somewhere, tests and files it names exist, commands and paths are real."""

import ast
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer.main

from console.api import OPERATIONS
from console.api.operation import PREFIX
from hub import reference
from hub.cli import app
from runtime.settings import HUB_VARIABLES, VARIABLES
from schemas import topics

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
WRITTEN = [p for p in PAGES if p.name not in {"reference.md", "CHANGELOG.md"}]
by_name = pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
written = pytest.mark.parametrize("page", WRITTEN, ids=lambda p: p.name)


def blocks(page: Path) -> str:
    """Indented code, continued lines joined."""
    text = "\n".join(line[4:] for line in page.read_text().splitlines() if line.startswith("    "))
    return text.replace("\\\n", " ")


def commands(page: Path, program: str) -> list[str]:
    """Commands of a program in code blocks and, with arguments, in running text."""
    inline = re.findall(rf"`({program} [^`]+)`", page.read_text())
    found = [line.split("#")[0].strip() for line in blocks(page).splitlines() if line.split(" ")[0] == program] + inline
    return [" ".join(c.split()) for c in found]


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_reference_is_what_the_code_says() -> None:
    made = subprocess.run([sys.executable, "-m", "hub.reference"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert made == reference.document()
    assert (ROOT / "docs" / "reference.md").read_text() == made, "run: python -m hub.reference > docs/reference.md"


def test_the_reference_names_every_path_of_the_ingress() -> None:
    code = "".join(p.read_text() for p in (ROOT / "ingress").glob("*.py"))
    routed = set(re.findall(r'Route\("(/[^"]+)"', code))
    told = {path for _, path, _ in (*reference.DATA_PLANE, *reference.OPERATIONS_PAGES)}
    assert routed <= told
    for path in told:
        assert f'"{path.split("{")[0]}"' in code, path


@by_name
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), target


def functions_in(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name.startswith("test_")}


def named_tests() -> list[str]:
    return re.findall(r"`(tests/[\w/]+\.py::\w+)`", (ROOT / "docs" / "guarantees.md").read_text())


@pytest.mark.parametrize("name", named_tests())
def test_a_test_that_proves_a_guarantee_exists(name: str) -> None:
    path, _, function = name.partition("::")
    assert function in functions_in(ROOT / path)


def test_every_guarantee_has_tests() -> None:
    sections = re.split(r"^## ", (ROOT / "docs" / "guarantees.md").read_text(), flags=re.MULTILINE)[1:]
    assert [s.split(".")[0] for s in sections] == [str(n) for n in range(1, 9)]
    assert all("`tests/" in s for s in sections)


@written
def test_files_it_names_exist(page: Path) -> None:
    named = re.findall(r"`((?:[\w.-]+/)+[\w.*-]+\.(?:py|yml|json|md|svg|avsc))`", page.read_text())
    for name in named:
        if not name.startswith("HUB_HOME/"):
            assert list(ROOT.glob(name)), name


@written
def test_variables_it_names_are_settings(page: Path) -> None:
    named = set(re.findall(r"\b(HUB_[A-Z_]+|KAFKA_[A-Z_]+|SCHEMA_REGISTRY_URL|DATABASE_URL)\b", page.read_text()))
    assert named <= set(VARIABLES) | set(HUB_VARIABLES)


@written
def test_topics_it_names_exist(page: Path) -> None:
    names = {t.name for t in topics.ALL}
    for name in re.findall(r"`((?:webhooks|commerce|events|workflows|deliveries|config)\.[a-z0-9.]+)`", page.read_text()):
        assert name in names, name


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that a line calls, and its arguments."""
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def test_how_commands_are_found() -> None:
    assert command_of(["topics", "check", "--json"])[1] == ["--json"]
    assert command_of(["topics", "none"])[1] == ["none"]


@pytest.mark.parametrize("line", sorted({line for page in PAGES for line in commands(page, "hub")}))
def test_a_command_it_shows_can_be_given(line: str) -> None:
    command, arguments = command_of(shlex.split(line)[1:])
    assert not getattr(command, "commands", None), f"{line}: no such command"
    options = {o: p for p in command.params for o in p.opts + p.secondary_opts if o.startswith("-")}
    options["--help"] = None
    position = 0
    while arguments:
        word, *arguments = arguments
        if word.startswith("-"):
            assert word in options, f"{line}: no option {word}"
            if options[word] is not None and not options[word].is_flag:
                assert arguments, f"{line}: {word} wants a value"
                arguments = arguments[1:]
        else:
            position += 1
    takes = [p for p in command.params if p.param_type_name == "argument"]
    assert position <= len(takes)


@pytest.mark.parametrize("line", sorted({line for page in PAGES for line in commands(page, "make")}))
def test_a_make_target_it_shows_exists(line: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert line.split()[1] in targets


@written
def test_paths_of_the_api_it_names_exist(page: Path) -> None:
    known = {(o.method, PREFIX + o.path) for o in OPERATIONS} | {(m, p) for m, p, _ in reference.DATA_PLANE}
    for method, path in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[\w/{}-]+)`", page.read_text()):
        assert (method, path) in known, f"{method} {path}"


def requests() -> list[Any]:
    """Each curl command of the README: URL and JSON body."""
    lines = [shlex.split(line) for line in blocks(ROOT / "README.md").splitlines() if line.startswith("curl ")]
    return [
        pytest.param(
            next(w for w in words if w.startswith("http")), json.loads(words[words.index("-d") + 1]), id=f"curl {number}"
        )
        for number, words in enumerate(lines, 1)
    ]


@pytest.mark.parametrize(("url", "body"), requests())
def test_a_request_it_shows_is_one_the_hub_takes(url: str, body: dict[str, Any]) -> None:
    port, path = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/.*)", url).groups()
    if port == "8080":
        assert ("POST", path) in {(m, p) for m, p, _ in reference.DATA_PLANE}
        assert set(body) <= {"type", "key", "data"}
    else:
        (operation,) = [o for o in OPERATIONS if o.method == "POST" and PREFIX + o.path == path]
        msgspec.convert(body, operation.body)
