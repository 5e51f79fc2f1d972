"""The facts of environments: a home made of files, and what caches take."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import pytest

from gpubox.boxes.checks.envs.facts import EnvsFacts
from gpubox.remote.checks import envs, login_user
from tests.remote.envs.home import Home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home without environments."""
    found = Home(tmp_path)
    for name in (
        "CONDA_EXE",
        "CONDA_PREFIX",
        "MAMBA_ROOT_PREFIX",
        "CONDARC",
        "XDG_CACHE_HOME",
        "SUDO_UID",
        "ZDOTDIR",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in found.environment().items():
        monkeypatch.setenv(name, value)
    return found


def facts() -> EnvsFacts:
    """What the box would send, decoded."""
    return msgspec.convert(envs.gather(), EnvsFacts)


def test_installations_and_environments_are_those_of_the_scan(home: Home) -> None:
    root = home.root("miniforge3")
    home.fill(root / "envs" / "train", {"python": "3.11.4-h1_0", "pytorch": "2.5.1-cuda126_py311h0"})
    home.venv(home.path / "project" / ".venv")
    found = facts()
    assert [one.flavor for one in found.conda_roots if one.path.startswith(str(home.path))] == ["miniforge"]
    (train,) = [env for env in found.envs if env.name == "train"]
    assert [(build.framework, build.target) for build in train.builds] == [("torch", "cuda")]
    assert "project" in [env.name for env in found.envs]


def test_start_files_that_activate_base_are_found(home: Home) -> None:
    home.root()
    assert facts().init_file == ""
    (home.path / ".zshrc").write_text("# >>> conda initialize >>>\n# <<< conda initialize <<<\n")
    assert facts().init_file == ".zshrc"
    assert facts().auto_base


@pytest.mark.parametrize(
    "line", ["auto_activate_base: false", "auto_activate: False", "auto_activate_base: no"]
)
def test_conda_may_be_reported_to_leave_base_off(home: Home, line: str) -> None:
    home.root()
    (home.path / ".condarc").write_text(line + "\n")
    assert not facts().auto_base


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('export PATH="$HOME/miniconda3/bin:$PATH"', ".bashrc"),
        ("export PATH=~/miniconda3/bin:$PATH", ".bashrc"),
        ("PATH=${HOME}/miniconda3/bin:$PATH", ".bashrc"),
        ('# export PATH="$HOME/miniconda3/bin:$PATH"', ""),
        ('export PATH="$HOME/miniconda3/envs/a/bin:$PATH"', ""),
        ('alias c="$HOME/miniconda3/bin/conda"', ""),
    ],
)
def test_a_start_file_that_puts_base_first_is_found(home: Home, line: str, found: str) -> None:
    home.root()
    (home.path / ".bashrc").write_text(line + "\n")
    assert facts().path_file == found


@pytest.mark.parametrize(
    ("others", "before", "after"),
    [
        ({}, None, "auto_activate_base: false\n"),
        ({}, "channels: [a]", "channels: [a]\nauto_activate_base: false\n"),
        ({}, "auto_activate_base: true\n", "auto_activate_base: false\n"),
        ({"miniconda3/.condarc": "auto_activate: true\n"}, None, "auto_activate: false\n"),
        (
            {"miniconda3/.condarc": "auto_activate: true\n"},
            "auto_activate_base: true\n",
            None,
        ),  # the other wins
        ({".mambarc": "auto_activate_base: true\n"}, "", None),
        ({".mambarc": "auto_activate_base: false\n"}, "", None),  # it is off already
        ({}, "channels: [https://ada:word@x.org/c]\n", None),
        ({}, "{}", None),
    ],
)
def test_base_is_turned_off_where_the_condarc_of_the_user_decides(
    home: Home, others: dict[str, str], before: str | None, after: str | None
) -> None:
    home.root("miniconda3")
    for name, text in others.items():
        (home.path / name).write_text(text)
    path = home.path / ".condarc"
    if before is not None:
        path.write_text(before)
    found = facts().without_base
    assert (None if found is None else (found.path, found.text)) == (after and (str(path), after))
    if found is not None:
        path.write_text(found.text)
        assert not facts().auto_base


def test_a_condarc_that_is_no_plain_file_of_the_user_is_left_to_them(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.root()
    path = home.path / ".condarc"
    (home.path / "dotfiles").write_text("")
    path.symlink_to(home.path / "dotfiles")
    assert facts().without_base is None
    path.unlink()
    path.write_text("")
    assert facts().without_base is not None
    monkeypatch.setattr(envs, "login_user", Stranger)
    assert envs.without_base([]) is None
    monkeypatch.undo()


class Stranger:
    """The user, if another one were."""

    uid = staticmethod(lambda: os.getuid() + 1)
    home = staticmethod(login_user.home)


def test_channels_are_in_the_order_of_conda_and_without_secrets(home: Home) -> None:
    root = home.root()
    (root / ".condarc").write_text("channels:\n  - conda-forge\n")
    (home.path / ".condarc").write_text(
        "channel_priority: strict\nchannels:\n"
        "  - https://ann:secret@repo.example/t/tk-12345/team\n  - defaults\n"
    )
    found = facts()
    assert found.channels == ("https://repo.example/t/…/team", "defaults", "conda-forge")
    assert found.channel_priority == "strict"
    assert str(home.path / ".condarc") in found.settings


def test_caches_are_measured_without_what_environments_share(home: Home) -> None:
    root = home.root()
    package = root / "pkgs" / "torch-2.5.1"
    package.mkdir(parents=True)
    (package / "own.so").write_bytes(os.urandom(300_000))
    (package / "shared.so").write_bytes(os.urandom(500_000))
    (root / "envs").mkdir()
    os.link(package / "shared.so", root / "envs" / "shared.so")
    (home.path / ".cache" / "pip").mkdir(parents=True)
    found = {one.tool: one for one in facts().caches or ()}
    assert 300_000 <= found["conda"].own < 500_000 <= found["conda"].shared
    assert found["conda"].whole
    assert found["pip"].own == 0


def test_a_large_cache_is_counted_in_part(tmp_path: Path) -> None:
    for number in range(2 * envs.BATCH):
        (tmp_path / str(number)).write_bytes(b"x" * 5000)
    own, _, whole = envs.measured(str(tmp_path), time.monotonic() - 1)
    assert not whole
    assert 0 < own < 2 * envs.BATCH * 8192


def test_behind_sudo_the_home_is_that_of_the_user(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    monkeypatch.setattr(login_user, "uid", lambda: os.getuid() + 1)
    monkeypatch.setattr(login_user, "home", lambda: str(home.path))
    monkeypatch.setenv("HOME", "/nonexistent")
    home.root()
    (home.path / ".condarc").write_text("channels: [conda-forge]\n")
    found = facts()
    assert str(home.path / "miniconda3") in [root.path for root in found.roots]
    assert found.channels == ("conda-forge",)


def test_a_bare_home_has_facts(home: Home) -> None:
    found = facts()
    assert found.home == str(home.path)
    assert found.caches == ()
    assert found.channels == ()
