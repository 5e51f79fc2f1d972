"""Genuine environments of conda, venv and uv: found, activated, asked, changed by jobs on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gpubox.boxes.box import Box, Target
from gpubox.boxes.envs import difference
from gpubox.core.env import Env
from gpubox.core.job import JobWish
from gpubox.core.record import Record
from gpubox.local.link import LocalLink
from tests.boxes.scripted import until
from tests.components import envs
from tests.remote.env_home import HOSTILE, Home

LIMIT = 90.0
_PYTHON = Path(sys.executable).resolve()


@pytest.fixture(scope="module")
def conda(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with an installation whose environments py-rattler made."""
    folder = tmp_path_factory.mktemp("conda")
    home = Home(folder)
    root = home.root()
    envs.make(folder / "channel", root / "envs")
    yield home
    shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def box_at(home: Home, monkeypatch: pytest.MonkeyPatch, **more: str) -> AsyncGenerator[Box]:
    """This machine as a box, with another home."""
    for name in [name for name in os.environ if name.startswith(("CONDA", "VIRTUAL_ENV", "PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    here = {**home.environment(), "GPUBOX_QUEUE_DIR": str(home.state.parent / "queue"), **more}
    here["PATH"] = f"{_PYTHON.parent}:{here['PATH']}"
    for name, value in here.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    box = Box(Target("local", "local"), LocalLink(), python=sys.executable)
    keeping = asyncio.ensure_future(box.keep(probe=False))
    try:
        await until(lambda: box.shell.value is not None, 20)
        yield box
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


async def done(box: Box, wish: JobWish) -> tuple[Record, str]:
    """Run a job to its end; return its record and its log."""
    record = await box.jobs.launch(wish)
    async with asyncio.timeout(LIMIT):
        while record.state != "ended":
            await asyncio.sleep(0.1)
            record = await box.jobs.show(wish.id)
    page = await box.jobs.page(wish.id, 0, 1 << 20)
    return record, page.data.decode()


def succeeded(ran: tuple[Record, str]) -> str:
    record, log = ran
    assert record.ending is not None
    assert (record.ending.how, record.ending.code) == ("exit", 0), (record.ending, log)
    return log


def job(env: Env, *argv: str) -> JobWish:
    from gpubox.boxes.jobs.wishes import new_id

    return JobWish(id=new_id(), argv=argv, prefix=env.prefix, kind=env.kind, env=env.name)


def test_the_gpu_and_the_cpu_build_are_told_apart(conda: Home) -> None:
    found = {env.name: env for env in conda.scan().envs if not env.base}
    assert list(found) == ["tf-cpu", "tf-gpu"]
    version = ".".join(map(str, sys.version_info[:3]))
    for env in found.values():
        assert (env.python, env.packages, env.broken) == (version, 2, "")
    assert [(one.target, one.cuda) for one in found["tf-gpu"].builds] == [("cuda", "12.2")]
    assert [(one.target, one.cuda) for one in found["tf-cpu"].builds] == [("cpu", "")]


def test_what_activate_d_exports_is_there_variable_by_variable(conda: Home) -> None:
    prefix = conda.path / "miniconda3" / "envs" / "tf-gpu"
    before = conda.environment(TF_HOME="/mine")
    found = conda.activated(prefix, environment={"TF_HOME": "/mine"})
    changed = {name: value for name, value in found.items() if before.get(name) != value}
    root = conda.path / "miniconda3"
    assert changed == {
        "PATH": f"{prefix}/bin:{root}/condabin:{before['PATH']}",
        "CONDA_PREFIX": str(prefix),
        "CONDA_SHLVL": "1",
        "CONDA_DEFAULT_ENV": "tf-gpu",
        "CONDA_PROMPT_MODIFIER": "(tf-gpu) ",
        "CONDA_EXE": f"{root}/bin/conda",
        "CONDA_PYTHON_EXE": f"{root}/bin/python",
        "_CE_M": "",
        "_CE_CONDA": "",
        "TF_FLAVOR": "gpu",
        "TF_BEFORE": "/mine",
        "TF_HOME": f"{prefix}/share/tf",
        "TF_MANY": "two\nlines",
    }
    other = conda.activated(conda.path / "miniconda3" / "envs" / "tf-cpu", environment=found)
    assert not {"TF_FLAVOR", "TF_MANY"} & set(other)
    assert other["TF_HOME"] == "/mine"


async def test_jobs_run_in_the_environment_and_it_says_what_it_sees(
    conda: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with box_at(conda, monkeypatch) as box:
        await box.envs.find()
        code = "import os, sys, tensorflow as t; print(sys.prefix, os.getenv('TF_FLAVOR'), t.__version__)"
        for name, flavor in (("tf-gpu", "gpu"), ("tf-cpu", "None")):
            env = box.envs.named(name)
            log = succeeded(await done(box, job(env, "python", "-c", code)))
            assert log == f"{env.prefix} {flavor} 2.15.0\n"
            await done(box, box.envs.probe_gpu(env))
        await box.envs.find()
        seen = {name: box.envs.named(name).sight for name in ("tf-gpu", "tf-cpu")}
        gpu, cpu = seen["tf-gpu"], seen["tf-cpu"]
        assert gpu is not None
        assert cpu is not None
        assert (gpu.sees, gpu.devices, gpu.current) == (True, ("GPU:0",), True)
        assert (cpu.sees, cpu.devices) == (False, ())
        assert "tensorflow" in cpu.words
        asked = job(box.envs.named("tf-gpu"), "python", "-c", _LIST)
        assert succeeded(await done(box, asked)) == "[]\n", "a job without GPUs sees none"


_LIST = "import tensorflow; print(tensorflow.config.list_physical_devices())"


async def test_the_two_differ_by_their_build_only(conda: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async with box_at(conda, monkeypatch) as box:
        await box.envs.find()
        found = [await box.envs.packages(box.envs.named(name)) for name in ("tf-gpu", "tf-cpu")]
    told = difference(*found)
    assert (told.only_a, told.only_b, told.equal) == ((), (), 1)
    (pair,) = told.differing
    assert pair.builds_only
    assert (pair.a.build, pair.b.build) == ("gpu_cuda122_0", "cpu_0")


async def test_a_shell_of_the_chosen_one_sees_its_packages(
    conda: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with box_at(conda, monkeypatch, SHELL="/bin/sh") as box:
        await box.envs.find()
        assert await box.envs.shell_command("true") is None
        await box.envs.use(box.envs.named("tf-gpu"))
        line = await box.envs.shell_command(f'python -c "{_LIST}"; echo "$TF_FLAVOR it\'s"')
        assert line is not None
        assert box.shell.value is not None
        result = await box.shell.value.run(line)
        assert result.stdout == b"['GPU:0']\ngpu it's\n", result.stderr


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
async def test_a_hostile_name_goes_through_use_shell_and_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    home = Home(tmp_path)
    home.fill(home.root() / "envs" / name)
    async with box_at(home, monkeypatch, SHELL="/bin/sh") as box:
        (env,) = [one for one in (await box.envs.find()).envs if not one.base]
        assert box.envs.named(name) == env
        await box.envs.use(env)
        log = succeeded(await done(box, job(env, "/usr/bin/printenv", "CONDA_PREFIX")))
        assert log == f"{env.prefix}\n"
        line = await box.envs.shell_command("printenv CONDA_DEFAULT_ENV")
        assert line is not None
        assert box.shell.value is not None
        assert (await box.shell.value.run(line)).stdout.decode() == f"{name}\n"
        record, _ = await done(box, box.envs.remove(env))
        assert record.wish.argv[-1] == env.prefix
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
        offline = {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(tmp_path / "wheels"), "UV_PYTHON": sys.executable}
    async with box_at(home, monkeypatch, **offline) as box:
        await box.envs.find()
        assert kind in ("venv", "uv")
        wish = box.envs.create("one", ["small"], "~/work", "uv" if kind == "uv" else "venv")
        log = succeeded(await done(box, wish))
        assert "small" in log
        await box.envs.find()
        one = box.envs.named("one")
        assert (one.kind, one.prefix) == (kind, str(home.path / "work" / "one"))
        assert "small" in [package.name for package in await box.envs.packages(one)]
        assert succeeded(await done(box, job(one, "python", "-c", "import small"))) == "small\n"
        exported, _ = await done(box, box.envs.export(one))
        assert "small==1.0" in await box.envs.exported(exported.results[0])
        succeeded(await done(box, box.envs.clone(one, "two")))
        succeeded(await done(box, box.envs.create_from("small==1.0\n", "four", "~/work", one.kind)))
        await box.envs.find()
        succeeded(await done(box, box.envs.rename(box.envs.named("two"), "three")))
        succeeded(await done(box, box.envs.remove(one)))
        assert [env.name for env in (await box.envs.find()).envs] == ["four", "three"]
        three = box.envs.named("three")
        assert "small" in [package.name for package in await box.envs.packages(three)]
        record, log = await done(box, box.envs.install(three, ["no-such-package"]))
        assert record.ending is not None
        assert record.ending.code
        assert "no-such-package" in log
        record, log = await done(box, box.envs.create("three", [], "~/work", three.kind))
        assert record.ending is not None
        assert record.ending.code == 1
        assert "is there already" in log
        assert (home.path / "work" / "three").exists()


async def test_what_a_failed_creation_made_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    wheel(tmp_path / "wheels")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
    async with box_at(home, monkeypatch, **offline) as box:
        record, _ = await done(box, box.envs.create("one", ["no-such-package"], "~/work", "venv"))
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
        await box.envs.find()
        one = box.envs.named("a b")
        create = box.envs.create("new", ["python=3.11", "numpy>1; touch owned"])
        assert succeeded(await done(box, create)) == (
            f"[create][--yes][--prefix][{root}/envs/new][python=3.11][numpy>1; touch owned]\n"
        )
        assert succeeded(await done(box, box.envs.clone(one, "copy"))) == (
            f"[create][--yes][--prefix][{root}/envs/copy][--clone][{env}]\n"
        )
        record, log = await done(box, box.envs.export(one))
        assert log == f"[env][export][--prefix][{env}]\n"
        assert await box.envs.exported(record.results[0]) == log
        made = succeeded(await done(box, box.envs.create_from("name: x\n", "fromyml")))
        assert made.startswith(f"[env][create][--prefix][{root}/envs/fromyml][--file][")
    assert not acted_on(tmp_path)


def test_py_rattler_itself_takes_them_for_environments(conda: Home) -> None:
    """The other side of the comparison: what the library that made them says is in them."""
    prefix = conda.path / "miniconda3" / "envs" / "tf-gpu"
    code = (
        "import json, os, pathlib, sys\nfrom rattler import PrefixRecord\n"
        "meta = pathlib.Path(sys.argv[1], 'conda-meta').glob('*.json')\n"
        "records = [PrefixRecord.from_path(path) for path in meta]\n"
        "told = sorted([one.name.normalized, str(one.version), str(one.build)] for one in records)\n"
        "print(json.dumps(told))\n"
        "sys.stdout.flush(); os._exit(0)"
    )
    ran = subprocess.run([envs.program("python"), "-c", code, str(prefix)], capture_output=True, check=True)
    told = conda.ask("packages", prefix=str(prefix))
    assert isinstance(told, dict)
    ours = [[one["name"], one["version"], one["build"]] for one in told["packages"]]
    assert ours == json.loads(ran.stdout)
