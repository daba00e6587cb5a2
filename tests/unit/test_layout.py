"""Rules of the tree that no linter knows: package names are ours, modules say what they are, lists stay complete."""

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("hub", "ingress", "processors", "delivery", "console", "runtime", "schemas")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
CAP = 400
NOT_PURE = {"__init__", "__main__", "app", "confirm", "intake", "state", "tables"}
"""Modules of the processors that may do I/O; every other one must be listed as pure."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def contracts() -> list[dict]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_owns_our_package_names(package: str) -> None:
    assert set(packages_distributions().get(package, [])) <= {"hookstream"}


def test_the_wheel_and_the_checks_list_every_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = sorted(p.parent.name for p in ROOT.glob("*/__init__.py") if p.parent.name != "tests")
    assert packages == sorted(PACKAGES)
    assert sorted(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == packages
    assert sorted(project["tool"]["mypy"]["packages"]) == packages
    assert sorted(project["tool"]["importlinter"]["root_packages"]) == packages


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_opens_with_its_one_idea_and_keeps_to_the_cap(path: Path) -> None:
    text = path.read_text()
    assert text.startswith('"""'), "no docstring"
    assert len(text.splitlines()) <= CAP


LONG_FUNCTIONS = """
import ast, pathlib, sys
for path in sys.argv[1:]:
    for node in ast.walk(ast.parse(pathlib.Path(path).read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 50:
            print(path, node.name, node.end_lineno - node.lineno + 1)
"""


def test_functions_are_short() -> None:
    # In a process of its own: Python 3.11's parser counts recursion wrongly when other threads of the process parse, too.
    command = [sys.executable, "-c", LONG_FUNCTIONS, *map(str, MODULES)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""


def test_every_pure_step_of_the_processors_is_listed_as_pure() -> None:
    listed = {m for c in contracts() if c["name"] == "Decisions are pure" for m in c["source_modules"]}
    steps = {
        f"processors.{p.stem}" if p.is_file() else f"processors.{p.name}"
        for p in (ROOT / "processors").iterdir()
        if (p.suffix == ".py" and p.stem not in NOT_PURE) or (p / "__init__.py").exists()
    }
    assert steps, "no step found"
    assert steps <= listed, f"add {sorted(steps - listed)} to the contract 'Decisions are pure'"


@pytest.mark.parametrize("contract", contracts(), ids=lambda c: c["name"])
def test_every_module_a_contract_names_exists(contract: dict) -> None:
    for field in ("source_modules", "protected_modules", "allowed_importers", "ancestors"):
        for module in contract.get(field, []):
            path = ROOT / module.replace(".", "/").removesuffix("/*").removesuffix("/**")
            assert path.with_suffix(".py").exists() or (path / "__init__.py").exists(), module
