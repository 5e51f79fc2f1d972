"""What an environment is, by its files: builds, packages, what is broken, size, and what it answered."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import pytest

from gpubox.core.env import Sight
from tests.components.parts import program
from tests.remote.envs.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.mark.parametrize(
    ("build", "target", "cuda"),
    [
        ("2.4.0-py3.11_cuda12.1_cudnn8.9.2_0", "cuda", "12.1"),
        ("2.5.1-cuda126_py311h0_200", "cuda", "12.6"),
        ("2.1.0-cpu_generic_py311h1_0", "cpu", ""),
        ("2.1.0-gpu_cuda118py311h1_0", "cuda", "11.8"),
        ("2.1.0-py311_0", "unknown", ""),
    ],
)
def test_a_build_of_conda_is_named_by_its_string(home: Home, build: str, target: str, cuda: str) -> None:
    home.fill(home.root() / "envs" / "e", {"pytorch": build})
    (reported,) = home.named("e").builds
    assert (reported.framework, reported.target, reported.cuda) == ("torch", target, cuda)


def test_torch_reports_its_cuda_and_the_wheels_that_it_lacks(home: Home) -> None:
    env = home.venv(home.path / "p" / ".venv")
    wheels = (
        'Requires-Dist: nvidia-cudnn-cu12==9.1.0.70; platform_system == "Linux"\n'
        "Requires-Dist: nvidia-nccl-cu12==2.21.5\n"
        'Requires-Dist: nvidia-extra-cu12; extra == "more"\nRequires-Dist: filelock'
    )
    site = home.wheel(env, "torch", "2.4.0", wheels)
    (site / "torch").mkdir()
    (site / "torch" / "version.py").write_text(
        "__version__ = '2.4.0+cu124'\ncuda: Optional[str] = '12.4'\nhip: Optional[str] = None\n"
    )
    (reported,) = home.named("p").builds
    assert (reported.version, reported.target, reported.cuda, reported.why) == (
        "2.4.0+cu124",
        "cuda",
        "12.4",
        "torch/version.py",
    )
    assert reported.missing == "nvidia-cudnn-cu12, nvidia-nccl-cu12 missing"
    home.wheel(env, "nvidia-cudnn-cu12", "9.1.0.70")
    home.wheel(env, "nvidia-nccl-cu12", "2.21.5")
    assert home.named("p").builds[0].missing == ""


def test_torch_for_the_cpu_is_reported_as_such(home: Home) -> None:
    env = home.venv(home.path / "p" / ".venv")
    site = home.wheel(env, "torch", "2.13.0+cpu")
    assert home.named("p").builds[0].target == "cpu"
    (site / "torch").mkdir()
    text = "__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\nhip: Optional[str] = None\n"
    (site / "torch" / "version.py").write_text(text)
    (reported,) = home.named("p").builds
    assert (reported.target, reported.why) == ("cpu", "torch/version.py")


@pytest.mark.parametrize(("cuda", "target"), [("True", "cuda"), ("False", "cpu")])
def test_tensorflow_reports_by_its_build_info(home: Home, cuda: str, target: str) -> None:
    env = home.venv(home.path / "p" / ".venv")
    info = home.wheel(env, "tensorflow", "2.15.0") / "tensorflow" / "python" / "platform" / "build_info.py"
    info.parent.mkdir(parents=True)
    info.write_text(
        "build_info = collections.OrderedDict([('cuda_version', '12.2'), ('cudnn_version', '8'), "
        f"('is_cuda_build', {cuda}), ('is_rocm_build', False)])\n"
    )
    (reported,) = home.named("p").builds
    assert (reported.framework, reported.version, reported.target) == ("tensorflow", "2.15.0", target)
    assert reported.cuda == ("12.2" if cuda == "True" else "")


def test_jax_is_for_cuda_when_its_plugin_is_there(home: Home) -> None:
    env = home.venv(home.path / "p" / ".venv")
    home.wheel(env, "jax", "0.4.35")
    home.wheel(env, "jaxlib", "0.4.35")
    assert home.named("p").builds[0].target == "cpu"
    home.wheel(env, "jax-cuda12-plugin", "0.4.35")
    (reported,) = home.named("p").builds
    assert (reported.framework, reported.version, reported.target, reported.cuda) == (
        "jax",
        "0.4.35",
        "cuda",
        "12",
    )


def test_packages_of_both_worlds_are_counted_once(home: Home) -> None:
    env = home.fill(home.root() / "envs" / "e", {"python": "3.11.4-h1_0", "numpy": "1.26-py_0"})
    home.wheel(env, "numpy", "1.26", installer="conda")
    home.wheel(env, "Msgpack", "1.0", installer="conda")
    home.wheel(env, "Some.Thing", "2.0")
    assert home.named("e").packages == 3
    reported = home.ask("packages", prefix=str(env))
    assert reported == {
        "packages": [
            {"name": "numpy", "version": "1.26", "build": "py_0", "source": "conda-forge"},
            {"name": "python", "version": "3.11.4", "build": "h1_0", "source": "conda-forge"},
            {"name": "some-thing", "version": "2.0", "source": "pypi"},
        ]
    }


def test_broken_ones_say_why(home: Home) -> None:
    root = home.root()
    (home.fill(root / "envs" / "a") / "conda-meta" / "history").unlink()
    (home.fill(root / "envs" / "b") / "bin" / "python").unlink()
    dangling = home.fill(root / "envs" / "c") / "bin" / "python"
    dangling.unlink()
    dangling.symlink_to("/gone/python3.9")
    (home.venv(home.path / "d" / ".venv") / "bin" / "python").unlink()
    home.venv(home.path / "e" / ".venv", home="/opt/gone/bin")
    words = {env.name: env.broken for env in home.scan().envs if env.broken}
    assert list(words) == ["a", "b", "c", "d", "e"]
    assert "history is missing" in words["a"]
    assert "bin/python is missing" in words["b"]
    assert "leads to /gone/python3.9, which does not exist" in words["c"]
    assert "bin/python is missing" in words["d"]
    assert "/opt/gone/bin" in words["e"]


def test_one_that_may_not_be_read_is_broken(home: Home) -> None:
    if os.geteuid() == 0:  # root as a normal user is: file modes hold for it, too
        rights = "-dac_override,-dac_read_search"
        home.before = [program("setpriv"), f"--bounding-set={rights}", f"--inh-caps={rights}"]
    env = home.fill(home.root() / "envs" / "secret")
    listed = home.fill(home.path / "elsewhere" / "listed")
    (home.path / ".conda").mkdir()
    (home.path / ".conda" / "environments.txt").write_text(f"{listed}\n")
    tools = home.venv(home.path / ".virtualenvs" / "tools")
    closed = (env, listed, tools)
    for mode in (0, 0o400):
        for folder in closed:
            folder.chmod(mode)
        try:
            broken = {env.name: env.broken for env in home.scan().envs if env.broken}
        finally:
            for folder in closed:
                folder.chmod(0o700)
        assert list(broken) == ["listed", "secret", "tools"]
        assert all("may not be read" in words for words in broken.values())


def test_the_last_use_is_the_newest_change(home: Home) -> None:
    env = home.fill(home.root() / "envs" / "e")
    for place in (*env.rglob("*"), env):
        if not place.is_symlink():
            os.utime(place, (1000, 1000))
    cache = home.site(env) / "__pycache__"
    cache.mkdir()
    os.utime(cache, (5000, 5000))
    os.utime(home.site(env), (2000, 2000))
    assert home.named("e").used == 5000
    before = time.time() - 1
    home.activated(env)
    assert (home.named("e").used or 0) > before


def test_a_file_with_several_names_is_counted_once(home: Home, tmp_path: Path) -> None:
    env = home.fill(home.root() / "envs" / "e", {})
    (env / "big").write_bytes(os.urandom(300_000))
    for name in ("again", "once more"):
        os.link(env / "big", env / name)
    done = subprocess.run(["du", "-s", "--block-size=1", str(env)], capture_output=True, check=True)
    assert home.ask("size", prefix=str(env)) == {"size": int(done.stdout.split()[0])}


def test_an_answer_about_gpus_is_reported_until_packages_change(home: Home, tmp_path: Path) -> None:
    env = home.fill(home.root() / "envs" / "e")
    home.wheel(env, "six", "1.0")
    box = next((home.state / "x").parent.glob("*"), None)
    assert box is None
    key = home.scan()  # nothing is written by a look
    assert key.envs[1].sight is None
    assert not home.state.exists()
    folder = _state(home)
    job = folder / "jobs" / "20261123-120000-abcd"
    job.mkdir(parents=True)
    program = Path(__file__).parents[3] / "tui" / "gpubox" / "remote" / "envs" / "gpu_check.py"
    done = subprocess.run(
        [sys.executable, str(program), str(job), str(env), job.name], capture_output=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    sight = home.named("e").sight
    assert sight is not None
    assert sight.job == job.name
    assert sight.current
    assert abs(sight.at - time.time()) < 60
    assert sight.sees is (done.returncode == 0)
    home.wheel(env, "seven", "1.0")
    sight = home.named("e").sight
    assert isinstance(sight, Sight)
    assert not sight.current


def _state(home: Home) -> Path:
    """The folder that this box keeps its state in."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); "
    code += "from gpubox.remote import state; print(state.folder('envs'))"
    command = [sys.executable, "-I", "-S", "-c", code, str(home.program)]
    done = subprocess.run(command, capture_output=True, env=home.environment(), check=True)
    return Path(done.stdout.decode().strip()).parent


def test_only_files_in_folders_of_jobs_are_reported(home: Home) -> None:
    job = _state(home) / "jobs" / "20261123-120000-abcd"
    job.mkdir(parents=True)
    (job / "environment.yml").write_text("name: x\n")
    secret = home.path / "secret"
    secret.write_text("no")
    (job / "link").symlink_to(secret)
    assert home.ask("text", path=str(job / "environment.yml")) == {"text": "name: x\n"}
    for path in (secret, job / "link", job / ".." / ".." / ".." / "home" / "secret"):
        assert _refused(home.ask("text", path=str(path))) == f"{path} does not lie in a job's folder"
    missing = job / "pixi.toml"
    assert _refused(home.ask("text", path=str(missing))) == f"{missing}: No such file or directory"


def test_an_environment_that_is_gone_is_named(home: Home) -> None:
    gone = home.path / "gone"
    for verb in ("packages", "size"):
        assert _refused(home.ask(verb, prefix=str(gone))) == f"{gone} is not there any more"


def _refused(answer: object) -> str:
    """Return the words of a refusal."""
    error = cast("dict[str, dict[str, str]]", answer)["error"]
    assert error["title"] == "Environments cannot be read"
    return error["text"]
