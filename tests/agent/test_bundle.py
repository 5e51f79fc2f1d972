"""A program is all that its main module imports, late imports too, and nothing else."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from gpubox.agent import bundle
from gpubox.agent.find_python import choose_python
from tests.hang import LIMIT
from tests.house import tree
from tests.remote.bundles import lay
from tests.remote.running import pythons

PROGRAMS = {
    "probe": "gpubox.remote.probe.main",
    "jobs": "gpubox.remote.jobs.main",
    "envs": "gpubox.remote.envs.main",
    "login": "gpubox.remote.login",
    "services": "gpubox.remote.services",
    "files": "gpubox.remote.files",
    "checks": "gpubox.remote.checks.main",
    "fixes": "gpubox.remote.fixes.main",
    "monitor": "gpubox.remote.monitor.install",
}


def imports(path: Path) -> set[str]:
    """What a whole file imports of ours by its syntax tree, which the bundler is too hurried to build."""
    found: set[str] = set()
    for node in ast.walk(tree.parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: the bundler follows no relative import"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and re.fullmatch(r"gpubox\.[a-z0-9_.]+", str(node.value)):
            found.add(str(node.value))  # a module that is started as a process of its own
    return {name for name in found if name.partition(".")[0] in ("gpubox", "pynvml")}


def test_no_import_of_what_runs_on_the_box_is_overlooked() -> None:
    paths = [path for path in tree.sources() if tree.runs_on_the_box(path)]
    assert len(paths) > 20
    assert {path: set(bundle.imports(path.read_text())) for path in paths} == {
        path: imports(path) for path in paths
    }


@pytest.mark.parametrize(
    "statement",
    ["import gpubox.remote.jobs.records", "from gpubox.remote.jobs import (\n  records,\n  x,\n)"],
)
def test_imports_are_seen_wherever_they_stand(statement: str) -> None:
    late = "def f():\n    " + statement.replace("\n", "\n    ") + "  # late\n"
    assert "gpubox.remote.jobs.records" in set(bundle.imports(late))
    assert list(bundle.imports("import gpuboxes\nfrom pynvmlx import y\n")) == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_has_all_that_it_imports(name: str) -> None:
    program = bundle.program(name, PROGRAMS[name])
    assert program is bundle.program(name, PROGRAMS[name])
    assert {"run.py", "gpubox/__init__.py", bundle.path_of(program.main)} <= set(program.files)
    assert program.files["gpubox/__init__.py"] == b""
    assert all(path.startswith(("gpubox/", "pynvml.py", "run.py")) for path in program.files)
    if "pynvml.py" in program.files:
        assert program.files["pynvml.py"].decode() == bundle.pynvml_source()


@pytest.mark.parametrize("name", sorted(set(PROGRAMS) - {"monitor"}))  # which judges its samples by the rules
def test_words_that_only_this_machine_shows_stay_here(name: str) -> None:
    paths = set(bundle.program(name, PROGRAMS[name]).files)
    assert not paths & {"gpubox/common/xid.py", "gpubox/common/metrics.py", "gpubox/common/rules/table.py"}


def test_a_module_that_is_started_by_its_name_comes_along() -> None:
    assert "gpubox/remote/jobs/gpu_sampler.py" in bundle.program("jobs", PROGRAMS["jobs"]).files


def test_only_programs_that_ask_for_gpus_bring_nvml() -> None:
    programs = {name for name, main in PROGRAMS.items() if "pynvml.py" in bundle.program(name, main).files}
    assert programs == {"probe", "jobs", "monitor"}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("python", list(pythons().values()), ids=lambda path: str(path).replace("/", "_"))
def test_every_module_of_a_program_is_imported_on_the_box(tmp_path: Path, name: str, python: str) -> None:
    folder = lay(tmp_path, PROGRAMS[name])
    files = [path.relative_to(folder) for path in folder.rglob("*.py") if path.name != "run.py"]
    modules = [str(path.with_suffix("")).replace("/", ".").removesuffix(".__init__") for path in files]
    lines = [f"import sys; sys.path.insert(0, {str(folder)!r})", *(f"import {one}" for one in modules)]
    code = "\n".join(lines)
    subprocess.run([python, *bundle.PYTHON.split(), "-c", code], check=True, timeout=LIMIT)


def test_a_program_that_is_none_is_refused() -> None:
    for name, main in (("two words", "gpubox.remote.files"), ("files", "gpubox.remote.nothing")):
        with pytest.raises(ValueError, match=r"not the name of a program|no module"):
            bundle.program(name, main)


def test_the_payload_is_its_size_its_digest_and_the_files() -> None:
    program = bundle.program("files", PROGRAMS["files"])
    payload = bundle.payload(program)
    assert int(payload[:8]) == len(payload) - 8
    data = zlib.decompress(payload[72:])
    assert payload[8:72].decode() == hashlib.sha256(data).hexdigest()
    assert json.loads(data) == {name: text.decode() for name, text in program.files.items()}


def test_its_folder_is_named_by_its_content() -> None:
    one, other = (bundle.Program("a", {"a.py": text}, "a") for text in (b"1", b"2"))
    assert bundle.folder(one) != bundle.folder(other)
    assert bundle.folder(one) == bundle.folder(bundle.Program("a", {"a.py": b"1"}, "a"))


@pytest.mark.parametrize("python", ["", sys.executable, "~/a b/python"])
def test_the_search_for_a_python_fits_between_quotes(python: str) -> None:
    assert not set(choose_python(python)) & set("'\\!\n")


def test_a_python_that_is_remembered_is_taken_and_one_that_is_gone_is_not(tmp_path: Path) -> None:
    notes = tmp_path / ".cache" / "gpubox"
    notes.mkdir(parents=True)
    note = notes / f"python.{Path('/proc/sys/kernel/hostname').read_text().strip()}"
    fake = tmp_path / "fake"
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)

    def chosen(python: str = "") -> str:
        script = choose_python(python) + 'echo "$p"'
        return subprocess.run(
            ["sh", "-c", script],
            capture_output=True,
            text=True,
            check=True,
            timeout=LIMIT,
            env={"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        ).stdout.strip()

    note.write_text(f"{fake}\n")
    assert chosen() == str(fake)
    assert chosen(sys.executable) == sys.executable
    fake.unlink()
    assert chosen() not in (str(fake), "")
