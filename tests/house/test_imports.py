"""Imports go one way: in the source (import-linter) and when the program runs."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.hang import LIMIT
from tests.house import tree

HEAVY = ("textual", "rich", "asyncssh", "cryptography", "sqlite3")


def all_loaded(code: str) -> set[str]:
    """The modules that a fresh interpreter holds after running some code."""
    ask = f"{code}\nimport sys\nprint('\\nLOADED', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", ask],
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tree.ROOT / "tui"), "HOME": os.devnull},
    )
    return set(done.stdout.rpartition("LOADED")[2].split())


def loaded(code: str) -> set[str]:
    """The same, as names of the top level."""
    return {name.partition(".")[0] for name in all_loaded(code)}


def modules(room: str) -> list[str]:
    """Names of all modules of one room."""
    found = (tree.PACKAGE / room).rglob("*.py")
    parts = [path.relative_to(tree.PACKAGE.parent).with_suffix("").parts for path in found]
    return sorted(".".join(part for part in names if part != "__init__") for names in parts)


@pytest.mark.parametrize(
    ("room", "unwanted"),
    [
        ("common", {*HEAVY, "msgspec", "click", "platformdirs", "psutil", "pynvml", "tomlkit"}),
        ("core", {"textual", "rich", "asyncssh", "click", "platformdirs"}),
        ("config", {"textual", "rich", "asyncssh"}),
        ("local", {"textual", "rich", "asyncssh"}),
        ("boxes", {"textual", "rich", "asyncssh"}),
        ("demo", {"textual", "rich", "asyncssh"}),
        ("commands", {"textual", "rich", "asyncssh"}),
        ("ui", {"asyncssh"}),  # the first paint does not wait for it
    ],
)
def test_a_room_loads_only_what_it_may(room: str, unwanted: set[str]) -> None:
    code = "\n".join(f"import {name}" for name in modules(room))
    assert loaded(code) & unwanted == set()


def test_asking_for_help_loads_neither_textual_nor_asyncssh() -> None:
    code = (
        "import sys\nsys.argv = ['gpubox-tui', '--help']\nfrom gpubox.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code"
    )
    assert loaded(code) & set(HEAVY) == set()


def imported(path: Path) -> set[str]:
    """Top-level names that one file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(tree.parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").partition(".")[0])
    return names


def test_what_runs_on_the_box_needs_only_the_standard_library() -> None:
    beside_it = {"pynvml", "psutil", "gpubox"}
    foreign = {
        tree.name(path): imported(path) - sys.stdlib_module_names - beside_it
        for path in tree.REMOTE.rglob("*.py")
    }
    assert {path: names for path, names in foreign.items() if names} == {}


def test_what_runs_on_the_box_is_python_3_8() -> None:
    programs = [list((tree.PACKAGE / room).rglob("*.py")) for room in ("remote", "common")]
    assert all(map(len, programs))
    for path in [*programs[0], *programs[1]]:
        ast.parse(path.read_text(), filename=str(path), feature_version=(3, 8))


def test_no_import_is_exempted_from_the_contracts() -> None:
    assert "ignore_imports" not in (tree.ROOT / "pyproject.toml").read_text()


def test_what_runs_on_the_box_names_its_imports() -> None:
    # The bundler follows statements. run.py is handed a name; gpu_check.py runs in a user's environment.
    hidden = [
        tree.name(path)
        for path in tree.sources()
        if tree.runs_on_the_box(path)
        and {"__import__", "importlib"}
        & {node.id for node in ast.walk(tree.parsed(path)) if isinstance(node, ast.Name)}
    ]
    assert hidden == ["tui/gpubox/remote/envs/gpu_check.py", "tui/gpubox/remote/run.py"]


VIOLATIONS = {
    "common/units.py": "import gpubox.core.errors\nimport msgspec",
    "core/sanitize.py": "import gpubox.config.settings\nimport click",
    "boxes/box.py": "import textual\nimport asyncssh",
    "remote/__init__.py": "import gpubox.core.sanitize",
    "remote/envs/scan.py": "import gpubox.remote.jobs.records",
    "config/settings.py": "import gpubox.remote",
}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the package found in a folder."""
    command = "from importlinter.cli import lint_imports_command as run; run()"
    return subprocess.run(
        [sys.executable, "-c", command, "--no-cache", "--config", str(tree.ROOT / "pyproject.toml")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )


def test_each_contract_holds_and_breaks_when_it_should(tmp_path: Path) -> None:
    shutil.copytree(tree.PACKAGE, tmp_path / "gpubox", ignore=shutil.ignore_patterns("__pycache__"))
    before = lint_imports(tmp_path)
    assert "0 broken" in before.stdout, before.stdout + before.stderr
    for name, code in VIOLATIONS.items():
        with (tmp_path / "gpubox" / name).open("a") as file:
            file.write(f"\n{code}\n")
    after = lint_imports(tmp_path)
    contracts = before.stdout.count("KEPT")
    assert contracts > 0
    assert after.stdout.count("BROKEN") == contracts, after.stdout


def needed(name: str, path: Path, known: Mapping[str, Path]) -> set[str]:
    """The modules of ours that one module imports, also late ones and those for types alone."""
    found: set[str] = set()
    for node in ast.walk(tree.parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & known.keys()) or {node.module}
    return (found & known.keys()) - {name}


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The modules that lead back to themselves, in one group, by peeling off those that do not."""
    left = {name: set(targets) for name, targets in graph.items()}
    for _ in range(2):  # once by what a module needs, once by who needs it
        while ends := {name for name, targets in left.items() if not targets & left.keys()}:
            left = {name: targets for name, targets in left.items() if name not in ends}
        left = {name: {one for one, targets in left.items() if name in targets} for name in left}
    return [sorted(left)] if left else []


def test_no_modules_import_each_other_in_a_circle() -> None:
    paths = {}
    for path in tree.PACKAGE.rglob("*.py"):
        parts = path.relative_to(tree.PACKAGE.parent).with_suffix("").parts
        paths[".".join(part for part in parts if part != "__init__")] = path
    assert len(paths) > 250
    assert circles({name: needed(name, path, paths) for name, path in paths.items()}) == []


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}, [["b", "c"]]),
    ],
)
def test_a_circle_is_found(graph: dict[str, set[str]], found: list[list[str]]) -> None:
    assert circles(graph) == found


def test_the_drawing_library_knows_no_box() -> None:
    rooms = ("boxes", "agent", "store", "demo", "ssh", "local", "commands", "ui.screens", "ui.panels")
    files = sorted((tree.PACKAGE / "ui" / "draw").glob("*.py"))
    assert len(files) > 5
    found = [
        f"{tree.name(path)} imports {node.module}"
        for path in files
        for node in ast.walk(tree.parsed(path))
        if isinstance(node, ast.ImportFrom) and node.module
        if node.module.startswith(tuple(f"gpubox.{room}" for room in rooms))
    ]
    assert found == []


def test_the_first_paint_loads_no_feature_of_a_box() -> None:
    rooms = {f"gpubox.boxes.{path.parent.name}" for path in (tree.PACKAGE / "boxes").glob("*/__init__.py")}
    assert {"gpubox.boxes.jobs", "gpubox.boxes.envs"} < rooms
    assert all_loaded("import gpubox.ui.app") & {*rooms, "gpubox.ui.panels"} == set()
