"""Every program of ours on a box keeps its state in one folder, apart from that of other machines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpubox.remote import state


@pytest.mark.parametrize(
    ("variables", "root"),
    [
        ({}, "{home}/.local/state/gpubox"),
        ({"XDG_STATE_HOME": "/var/state"}, "/var/state/gpubox"),
        ({"XDG_STATE_HOME": "state"}, "{home}/.local/state/gpubox"),
        ({"GPUBOX_STATE_DIR": "kept/here", "XDG_STATE_HOME": "/var/state"}, "{home}/kept/here"),
        ({"GPUBOX_STATE_DIR": "/kept//here/"}, "/kept/here"),
    ],
)
def test_the_folder_is_where_the_environment_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], root: str
) -> None:
    for name in ("GPUBOX_STATE_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": str(tmp_path), **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    assert state.root() == root.format(home=tmp_path)
    assert state.folder("jobs") == os.path.join(state.root(), state.machine(), "jobs")


def test_a_machine_without_a_number_is_known_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(state, "open", missing, raising=False)
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "box one/2", "6", "1", "x")))
    assert state.machine() == "box_one_2"
