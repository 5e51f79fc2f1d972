"""Requests that change environments: the right words for each tool, and nothing for what must not be."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gpubox.boxes.envs import Environments, difference, operations, tools
from gpubox.core.env import Env, Envs, Package, Root
from gpubox.core.errors import ConfigError, RemoteError, ToolMissing
from tests.boxes.scripted import context

BASE = Env(prefix="/c", name="base", kind="conda", base=True, tool="/c/bin/conda", root="/c", python="3.11")
CONDA = Env(prefix="/c/envs/x", name="x", kind="conda", tool="/c/bin/conda", root="/c", python="3.11")
MAMBA = Env(prefix="/m/envs/x", name="x", kind="conda", tool="/bin/micromamba", root="/m")
VENV = Env(prefix="/p/.venv", name="p", kind="venv", tool="/p/.venv/bin/python")
UV = Env(prefix="/p/.venv", name="p", kind="uv", tool="/bin/uv")
PIXI = Env(prefix="/g/.pixi/envs/cuda", name="g:cuda", kind="pixi", tool="/bin/pixi", root="/g")


@pytest.fixture
def envs() -> Environments:
    made = Environments(context("box"))
    roots = (Root("/c", "miniconda", "/c/bin/conda", "/c/envs"), Root("/bin", "pixi", "/bin/pixi"))
    made.feed.put(Envs(envs=(BASE, CONDA, VENV), roots=roots))
    return made


def test_conda_is_reported_folders_never_names(envs: Environments) -> None:
    assert envs.create("new", ["numpy"]).argv[2:] == ("/c/envs/new", "/c/bin/conda", "numpy")
    assert envs.remove(CONDA).argv == ("/c/bin/conda", "env", "remove", "--yes", "--prefix", "/c/envs/x")
    assert envs.rename(CONDA, "y").argv == ("/c/bin/conda", "rename", "--prefix", "/c/envs/x", "/c/envs/y")
    assert envs.install(CONDA, ["a", "b"]).argv[-4:] == ("--prefix", "/c/envs/x", "a", "b")
    assert envs.clone(BASE, "y").argv[2:] == ("/c/envs/y", "/c/bin/conda", "--clone", "/c")


def test_mamba_is_not_asked_for_what_it_does_not_know(envs: Environments) -> None:
    assert "--clone" not in envs.clone(MAMBA, "y").argv
    assert envs.clone(MAMBA, "y").argv[2:] == ("/m/envs/y", "/bin/micromamba", "/m/envs/x")
    assert "rename" not in envs.rename(MAMBA, "y").argv


def test_pixi_is_reported_its_manifest_and_environment(envs: Environments) -> None:
    install = envs.install(PIXI, ["cuda"]).argv
    assert install == ("/bin/pixi", "add", "--manifest-path", "/g", "--feature", "cuda", "cuda")
    assert envs.create("game", [], "", "pixi").argv[2:] == ("~/game", "/bin/pixi")
    for refused in (envs.clone, envs.rename):
        with pytest.raises(ConfigError, match="pixi cannot do that"):
            refused(PIXI, "y")


def test_base_is_neither_removed_nor_renamed(envs: Environments) -> None:
    for refused in (lambda: envs.remove(BASE), lambda: envs.rename(BASE, "y")):
        with pytest.raises(ConfigError, match="installation itself"):
            refused()


def test_a_broken_one_can_only_be_removed(envs: Environments) -> None:
    broken = Env(prefix="/c/envs/b", name="b", kind="conda", tool="/c/bin/conda", broken="no Python")
    assert envs.remove(broken).argv
    for refused in (
        lambda: envs.clone(broken, "y"),
        lambda: envs.install(broken, ["x"]),
        lambda: envs.export(broken),
        lambda: envs.probe_gpu(broken),
    ):
        with pytest.raises(RemoteError, match="no Python"):
            refused()


def test_a_tool_that_is_not_there_is_named(envs: Environments) -> None:
    with pytest.raises(ToolMissing, match="No uv on the box"):
        envs.create("x", [], "~/p", "uv")
    with pytest.raises(ToolMissing, match="No conda on the box"):
        envs.remove(Env(prefix="/x", name="x", kind="conda"))


def test_a_venv_takes_the_python_that_is_named(envs: Environments) -> None:
    spec = envs.create(".venv", ["python=3.12", "numpy"], "~/p", "venv")
    assert spec.argv[2:] == ("~/p/.venv", "python3.12", "numpy")
    assert envs.create("x", [], "", "venv").argv[2:] == ("~/.virtualenvs/x", "python3")


def test_the_question_about_gpus_takes_no_lease_and_ends_in_a_minute(envs: Environments) -> None:
    spec = envs.probe_gpu(CONDA)
    assert (spec.prefix, spec.limit, spec.gpus.mode, spec.now) == ("/c/envs/x", 60.0, "any", True)
    assert spec.argv == ("python", "{files}/gpu_check.py", "{folder}", "/c/envs/x", spec.id)
    assert envs.probe_gpu(Env(prefix="/r", name="r", kind="conda")).argv[0] == "python3"


def test_every_tool_knows_every_verb_but_pixi() -> None:
    verbs = set(tools.TOOLS["conda"])
    assert {name: verbs - set(table) for name, table in tools.TOOLS.items()} == {
        "conda": set(),
        "mamba": set(),
        "pip": set(),
        "uv": set(),
        "pixi": {"clone", "rename"},
    }


def test_every_small_program_is_one_that_sh_can_read(tmp_path: Path) -> None:
    names = ["tool", "prefix", "new", "file", "python", "manifest", "environment"]
    values = {name: "x" for name in names}
    for tool, table in tools.TOOLS.items():
        for verb in table:
            for name, text in tools.command(tool, verb, values)[1].items():
                (tmp_path / name).write_text(text)
                assert subprocess.run(["/bin/sh", "-n", str(tmp_path / name)]).returncode == 0, (tool, verb)


@pytest.mark.parametrize("word", ["workspace", "project"])
def test_pixi_exports_by_the_word_that_it_knows(tmp_path: Path, word: str) -> None:
    pixi = tmp_path / "pixi"
    pixi.write_text(f'#!/bin/sh\n[ "$1" = {word} ] || exit 2\n[ "$2" = --help ] || echo "$@"\n')
    pixi.chmod(0o755)
    values = {"tool": str(pixi), "manifest": "/my game", "environment": "cuda"}
    argv, files = tools.command("pixi", "export", values)
    (tmp_path / tools.FILE).write_text(files[tools.FILE])
    words = [part.replace("{files}", str(tmp_path)) for part in argv]
    done = subprocess.run(words, capture_output=True, cwd=tmp_path, check=True)
    reported = f"{word} export conda-environment --manifest-path /my game --environment cuda\n"
    assert done.stdout.decode() == reported == (tmp_path / "environment.yml").read_text()


def test_removing_a_folder_that_is_no_venv_removes_nothing(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis").touch()
    spec = operations.remove(Env(prefix=str(tmp_path / "home"), name="x", kind="venv"))
    (tmp_path / tools.FILE).write_text(spec.files[tools.FILE])
    words = [word.replace("{files}", str(tmp_path)) for word in spec.argv]
    done = subprocess.run(words, capture_output=True, check=False)
    assert (done.returncode, b"no virtual environment" in done.stderr) == (1, True)
    assert (tmp_path / "home" / "thesis").exists()


def test_packages_are_compared_by_name_version_and_build() -> None:
    a = (Package("a", "1", "x"), Package("b", "1", "x"), Package("c", "1"), Package("d", "1", "x"))
    b = (Package("b", "1", "y"), Package("c", "2"), Package("d", "1"), Package("e", "1"))
    found = difference(a, b)
    assert [one.name for one in found.only_a] == ["a"]
    assert [one.name for one in found.only_b] == ["e"]
    assert [(pair.name, pair.a.version == pair.b.version) for pair in found.differing] == [
        ("b", True),
        ("c", False),
    ]
    assert (found.equal, found.none, difference(a, a).none) == (1, False, True)
