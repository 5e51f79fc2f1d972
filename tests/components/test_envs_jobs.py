"""Virtual environments and those of conda, made, changed and removed by jobs through their own tools."""

from __future__ import annotations

import asyncio
import os
import sys
import zipfile
from pathlib import Path

import pytest

from gpubox.boxes.envs.envs import Environments
from gpubox.core.record import exit_status
from tests.components import envs
from tests.components.env_box import box_at, done, job, succeeded
from tests.components.parts import program
from tests.remote.envs.home import HOSTILE, Home


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
async def test_a_hostile_name_goes_through_use_shell_and_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    home = Home(tmp_path)
    home.fill(home.root() / "envs" / name)
    async with box_at(home, monkeypatch, SHELL="/bin/sh") as box:
        (env,) = [one for one in (await box.use(Environments).find()).envs if not one.base]
        assert box.use(Environments).named(name) == env
        await box.use(Environments).use(env)
        log = succeeded(await done(box, job(env, "/usr/bin/printenv", "CONDA_PREFIX")))
        assert log == f"{env.prefix}\n"
        line = await box.use(Environments).shell_command("printenv CONDA_DEFAULT_ENV")
        assert line is not None
        assert box.shell.value is not None
        assert (await box.shell.value.run(line)).stdout.decode() == f"{name}\n"
        record, _ = await done(box, box.use(Environments).remove(env))
        assert record.spec.argv[-1] == env.prefix
    assert not acted_on(tmp_path)


def acted_on(folder: Path) -> bool:
    """Whether a shell has taken a name for a command."""
    return any(folder.rglob("owned"))


def wheel(folder: Path) -> None:
    """Make a package that pip and uv can install without an index."""
    folder.mkdir()
    info = "small-1.0.dist-info"
    with zipfile.ZipFile(folder / "small-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("small.py", "print('small')\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(
            f"{info}/RECORD", f"small.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )


def link(program: str, place: Path) -> None:
    place.parent.mkdir(parents=True)
    place.symlink_to(program)


@pytest.mark.parametrize("kind", ["venv", "uv"])
async def test_a_virtual_environment_is_made_changed_and_removed_by_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    home = Home(tmp_path)
    wheel(tmp_path / "wheels")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
    if kind == "uv":
        link(envs.program("uv"), home.path / ".local" / "bin" / "uv")
        offline = {"UV_OFFLINE": "1", "UV_FIND_LINKS": str(tmp_path / "wheels"), "UV_PYTHON": sys.executable}
    async with box_at(home, monkeypatch, **offline) as box:
        await box.use(Environments).find()
        assert kind in ("venv", "uv")
        spec = box.use(Environments).create("one", ["small"], "~/work", "uv" if kind == "uv" else "venv")
        log = succeeded(await done(box, spec))
        assert "small" in log
        await box.use(Environments).find()
        one = box.use(Environments).named("one")
        assert (one.kind, one.prefix) == (kind, str(home.path / "work" / "one"))
        assert "small" in [package.name for package in await box.use(Environments).packages(one)]
        assert succeeded(await done(box, job(one, "python", "-c", "import small"))) == "small\n"
        exported, _ = await done(box, box.use(Environments).export(one))
        assert "small==1.0" in await box.use(Environments).exported(exported.results[0])
        succeeded(await done(box, box.use(Environments).clone(one, "two")))
        succeeded(
            await done(box, box.use(Environments).create_from("small==1.0\n", "four", "~/work", one.kind))
        )
        await box.use(Environments).find()
        succeeded(await done(box, box.use(Environments).rename(box.use(Environments).named("two"), "three")))
        succeeded(await done(box, box.use(Environments).remove(one)))
        assert [env.name for env in (await box.use(Environments).find()).envs] == ["four", "three"]
        three = box.use(Environments).named("three")
        assert "small" in [package.name for package in await box.use(Environments).packages(three)]
        record, log = await done(box, box.use(Environments).install(three, ["no-such-package"]))
        assert record.ending is not None
        assert record.ending.code
        assert "no-such-package" in log
        record, log = await done(box, box.use(Environments).create("three", [], "~/work", three.kind))
        assert record.ending is not None
        assert record.ending.code == 1
        assert "is there already" in log
        assert (home.path / "work" / "three").exists()


async def test_of_two_removals_at_once_one_succeeds_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    home.venv(home.path / "p" / ".venv")
    async with box_at(home, monkeypatch) as box:
        (env,) = (await box.use(Environments).find()).envs
        both = await asyncio.gather(*(done(box, box.use(Environments).remove(env)) for _ in range(2)))
    assert sum(exit_status(record) == 0 for record, _ in both) == 1
    assert list((home.path / "p").iterdir()) == []


async def test_what_a_failed_creation_made_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    wheel(tmp_path / "wheels")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
    async with box_at(home, monkeypatch, **offline) as box:
        record, _ = await done(
            box, box.use(Environments).create("one", ["no-such-package"], "~/work", "venv")
        )
    assert record.ending is not None
    assert record.ending.code
    assert os.listdir(home.path / "work") == []


async def test_conda_s_own_tool_gets_its_words_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    root = home.root()
    tool = root / "bin" / "conda"
    tool.write_text('#!/bin/sh\nfor word; do printf "[%s]" "$word"; done; echo\n')
    env = home.fill(root / "envs" / "a b")
    async with box_at(home, monkeypatch) as box:
        await box.use(Environments).find()
        one = box.use(Environments).named("a b")
        create = box.use(Environments).create("new", ["python=3.11", "numpy>1; touch owned"])
        assert succeeded(await done(box, create)) == (
            f"[create][--yes][--prefix][{root}/envs/new][python=3.11][numpy>1; touch owned]\n"
        )
        assert succeeded(await done(box, box.use(Environments).clone(one, "copy"))) == (
            f"[create][--yes][--prefix][{root}/envs/copy][--clone][{env}]\n"
        )
        record, log = await done(box, box.use(Environments).export(one))
        assert log == f"[env][export][--prefix][{env}]\n"
        assert await box.use(Environments).exported(record.results[0]) == log
        made = succeeded(await done(box, box.use(Environments).create_from("name: x\n", "fromyml")))
        assert made.startswith(f"[env][create][--prefix][{root}/envs/fromyml][--file][")
    assert not acted_on(tmp_path)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh", "dash"])
async def test_every_login_shell_takes_the_line_that_opens_an_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    home = Home(tmp_path)
    home.venv(home.path / "my project's $(touch owned)" / ".venv")
    async with box_at(home, monkeypatch, SHELL=program(shell)) as box:
        (env,) = (await box.use(Environments).find()).envs
        await box.use(Environments).use(env)
        line = await box.use(Environments).shell_command('printenv VIRTUAL_ENV; echo "~ % é"')
        assert line is not None
        # As sshd does it: the login shell itself has to understand the line.
        ran = await asyncio.create_subprocess_exec(
            program(shell), "-c", line, stdin=-3, stdout=-1, cwd=tmp_path
        )
        out, _ = await ran.communicate()
        assert out.decode() == f"{env.prefix}\n~ % é\n"
    assert not acted_on(tmp_path)
