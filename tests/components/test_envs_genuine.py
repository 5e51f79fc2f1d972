"""Genuine environments of conda: distinguished, activated, and asked whether they see a GPU."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gpubox.boxes.envs import difference
from gpubox.boxes.envs.envs import Environments
from tests.components import envs
from tests.components.env_box import box_at, done, job, succeeded
from tests.remote.envs.home import Home


@pytest.fixture(scope="module")
def conda(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with an installation whose environments py-rattler made."""
    folder = tmp_path_factory.mktemp("conda")
    home = Home(folder)
    root = home.root()
    envs.make(folder / "channel", root / "envs")
    yield home
    shutil.rmtree(folder, ignore_errors=True)


def test_the_gpu_and_the_cpu_build_are_distinguished(conda: Home) -> None:
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
        await box.use(Environments).find()
        code = "import os, sys, tensorflow as t; print(sys.prefix, os.getenv('TF_FLAVOR'), t.__version__)"
        for name, flavor in (("tf-gpu", "gpu"), ("tf-cpu", "None")):
            env = box.use(Environments).named(name)
            log = succeeded(await done(box, job(env, "python", "-c", code)))
            assert log == f"{env.prefix} {flavor} 2.15.0\n"
            await done(box, box.use(Environments).probe_gpu(env))
        await box.use(Environments).find()
        seen = {name: box.use(Environments).named(name).sight for name in ("tf-gpu", "tf-cpu")}
        gpu, cpu = seen["tf-gpu"], seen["tf-cpu"]
        assert gpu is not None
        assert cpu is not None
        assert (gpu.sees, gpu.devices, gpu.current) == (True, ("GPU:0",), True)
        assert (cpu.sees, cpu.devices) == (False, ())
        assert "tensorflow" in cpu.words
        asked = job(box.use(Environments).named("tf-gpu"), "python", "-c", _LIST)
        assert succeeded(await done(box, asked)) == "[]\n", "a job without GPUs sees none"


_LIST = "import tensorflow; print(tensorflow.config.list_physical_devices())"


async def test_the_two_differ_by_their_build_only(conda: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async with box_at(conda, monkeypatch) as box:
        await box.use(Environments).find()
        found = [
            await box.use(Environments).packages(box.use(Environments).named(name))
            for name in ("tf-gpu", "tf-cpu")
        ]
    reported = difference(*found)
    assert (reported.only_a, reported.only_b, reported.equal) == ((), (), 1)
    (pair,) = reported.differing
    assert pair.a.version == pair.b.version
    assert (pair.a.build, pair.b.build) == ("gpu_cuda122_0", "cpu_0")


async def test_a_shell_of_the_chosen_one_sees_its_packages(
    conda: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with box_at(conda, monkeypatch, SHELL="/bin/sh") as box:
        await box.use(Environments).find()
        assert await box.use(Environments).shell_command("true") is None
        await box.use(Environments).use(box.use(Environments).named("tf-gpu"))
        line = await box.use(Environments).shell_command(f'python -c "{_LIST}"; echo "$TF_FLAVOR it\'s"')
        assert line is not None
        assert box.shell.value is not None
        result = await box.shell.value.run(line)
        assert result.stdout == b"['GPU:0']\ngpu it's\n", result.stderr


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
    reported = conda.ask("packages", prefix=str(prefix))
    assert isinstance(reported, dict)
    ours = [[one["name"], one["version"], one["build"]] for one in reported["packages"]]
    assert ours == json.loads(ran.stdout)
