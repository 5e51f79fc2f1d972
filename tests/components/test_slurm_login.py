"""A Slurm that only a login finds, as sites set it up by modules or profile.d."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpubox.boxes.jobs.backends.slurm.backend import Slurm
from gpubox.boxes.login import Login
from gpubox.core.feed import Feed
from gpubox.core.shell import Shell
from gpubox.local.shell import LocalShell
from tests.components.parts import program
from tests.components.slurm_jobs import _PYTHON, behind, ended, log_of, spec
from tests.components.slurms import SlurmTest, slurm

SECRET = "5ecret-of-a-login"
PROGRAMS = ("sbatch", "squeue", "sinfo", "scontrol", "scancel")
LINE = "echo $HF_HOME $MODULEPATH ${LC_ALL-unset} ${SLURM_TIME_FORMAT-unset}"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmTest]:
    """A Slurm for all tests of this file."""
    with slurm(tmp_path_factory.mktemp("slurm") / "it") as made:
        yield made


def logging_in(folder: Path, monkeypatch: pytest.MonkeyPatch, cluster: SlurmTest) -> Slurm:
    """Slurm of a box whose login alone has its programs in PATH and knows its configuration."""
    home, programs = folder / "home", folder / "opt" / "slurm" / "bin"
    programs.mkdir(parents=True)
    home.mkdir()
    for name in PROGRAMS:
        (programs / name).symlink_to(shutil.which(name) or program(name))
    settings = "".join(f'export {name}="{value}"\n' for name, value in cluster.environment.items())
    (home / ".profile").write_text(
        f'echo Welcome\nexport PATH="{programs}:$PATH" HF_HOME={SECRET} MODULEPATH=/m SQUEUE_FORMAT=x\n'
        f"{settings}"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SHELL", "/bin/sh")
    for name in (*cluster.environment, "LC_ALL", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    backend = behind(folder, monkeypatch, cluster.folder / "cache")
    shells: Feed[Shell | None] = Feed(LocalShell())
    backend._supervised.login = Login("box", shells, python=_PYTHON)  # pyright: ignore[reportPrivateUsage]
    return backend


async def test_it_is_found_and_asked_as_a_login_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: SlurmTest
) -> None:
    backend = logging_in(tmp_path, monkeypatch, cluster)
    assert await backend.find()
    assert backend._place is not None  # pyright: ignore[reportPrivateUsage]
    assert backend._place.folder == str(tmp_path / "opt" / "slurm" / "bin")  # pyright: ignore[reportPrivateUsage]
    view = await backend.look()
    assert view is not None
    assert {one.name for one in view.partitions} == {"main", "short"}


async def test_without_what_a_login_sets_there_is_no_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: SlurmTest
) -> None:
    backend = logging_in(tmp_path, monkeypatch, cluster)
    backend._supervised.login = None  # pyright: ignore[reportPrivateUsage]
    assert not await backend.find()


async def test_a_job_has_what_a_login_has_unless_it_is_not_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: SlurmTest
) -> None:
    backend = logging_in(tmp_path, monkeypatch, cluster)
    with_it = await backend.launch(spec(LINE))
    without = await backend.launch(spec(LINE, login=False))
    assert (await ended(backend, with_it)).code == 0
    assert (await ended(backend, without)).code == 0
    assert await log_of(backend, with_it) == f"{SECRET} /m unset unset\n".encode()
    assert await log_of(backend, without) == b"unset unset\n"
    records = [path for path in (tmp_path / "gpubox_state_dir").rglob("*") if path.is_file()]
    assert records
    saved = b"".join(path.read_bytes() for path in records if path.name != "log")
    assert SECRET.encode() not in saved
