"""Looking for environments on a disk that is slow, or does not answer at all."""

from __future__ import annotations

import time
from pathlib import Path

from tests.remote.envs.home import Home, names

GONE, FAR = 300_000, 2
"""Milliseconds that each look at the disk takes."""


def two_disks(folder: Path, slow: Path, delay: int) -> tuple[Home, dict[str, str]]:
    """A home with an environment and an installation, and another installation on a slow disk."""
    home = Home(folder)
    home.venv(home.path / "near" / ".venv")  # one may be listed before the slow one, the other behind
    home.venv(home.path / "after" / ".venv")
    home.fill(home.root() / "envs" / "here")
    home.fill(home.root("disk/conda") / "envs" / "there")
    disk = home.path / "disk"
    (home.path / ".condarc").write_text(f"envs_dirs:\n  - {disk}/more\n")
    (home.path / ".bashrc").write_text(f". {disk}/conda/etc/profile.d/conda.sh\n")
    return home, {"LD_PRELOAD": str(slow), "GPUBOX_TEST_SLOW": str(disk), "GPUBOX_TEST_DELAY": str(delay)}


def test_a_disk_that_is_gone_hides_no_other_environment(tmp_path: Path, slow: Path) -> None:
    home, environment = two_disks(tmp_path, slow, GONE)
    begun = time.monotonic()
    found = home.scan(environment)
    assert time.monotonic() - begun < GONE / 1000 / 2
    assert names(found) == ["base", "here", "after", "near"]
    assert [Path(root.path).name for root in found.roots] == ["miniconda3"]
    assert f"in time: {home.path}/disk/conda" in found.partial


def test_a_disk_that_is_far_away_is_waited_for(tmp_path: Path, slow: Path) -> None:
    home, environment = two_disks(tmp_path, slow, FAR)
    found = home.scan(environment)
    assert (names(found), found.partial) == (["base", "base", "here", "there", "after", "near"], "")


def test_an_environment_whose_disk_went_is_listed_as_such(tmp_path: Path, slow: Path) -> None:
    home, environment = two_disks(tmp_path, slow, GONE)
    inside = home.path / "disk" / "conda" / "envs" / "there" / "bin"
    found = home.scan({**environment, "GPUBOX_TEST_SLOW": str(inside)})
    (there,) = [env for env in found.envs if env.name == "there"]
    assert there.broken == "Its disk does not answer"
    assert str(inside.parent) in found.partial
    assert "here" in names(found)
