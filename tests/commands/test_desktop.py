"""`gpubox-tui desktop`: which desktop is meant, what is printed, and the whole of it on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpubox.boxes.desktops import DesktopSession
from gpubox.commands.desktop import _chosen, _rows, _size, to_json
from gpubox.commands.output import SCHEMA
from gpubox.core.errors import ConfigError, RemoteError
from tests.commands.run import apart

MINE = DesktopSession(
    "TigerVNC", 7, 1, "ada", True, display=":2", session="xfce4", geometry="800x600", path="/r"
)
OTHER = DesktopSession("x11vnc", 8, 1, "ada", True, display=":0", port=5900, physical=True)
EVES = DesktopSession("TurboVNC", 9, 1, "eve", False, display=":1", port=5901)
ALL = (MINE, OTHER, EVES)


def test_without_a_display_ones_only_desktop_is_meant() -> None:
    assert _chosen(ALL, "") is MINE
    assert _chosen(ALL, ":1") is EVES
    assert _chosen(ALL, "0") is OTHER


@pytest.mark.parametrize(
    ("found", "display", "words"),
    [
        ((), "", "You have no desktop there. These run: none"),
        ((EVES,), "", "You have no desktop there. These run: :1 of eve"),
        (ALL, ":9", "There is no desktop :9. These run: :2 of ada, :0 of ada, :1 of eve"),
        ((MINE, MINE), "", "Several desktops"),
    ],
)
def test_what_cannot_be_chosen_is_reported(
    found: tuple[DesktopSession, ...], display: str, words: str
) -> None:
    with pytest.raises(RemoteError) as caught:
        _chosen(found, display)
    assert words in str(caught.value)


def test_a_list_for_people_lines_up() -> None:
    rows = _rows(ALL)
    assert rows[1] == ":2       TigerVNC  ada   800x600  xfce4    socket"
    assert [row.index("port") for row in rows[2:]] == [rows[0].index("REACHED")] * 2


def test_json_holds_what_the_box_reported_and_no_path_of_a_password() -> None:
    reported = to_json(MINE)
    assert json.loads(json.dumps(reported))["ours"] is False
    assert not {"secret", "folder", "ticks"} & set(reported)


@pytest.mark.parametrize("text", ["800", "x", "800x", "0x600", "99999x10", "-1x600", "800x600x2"])
def test_a_size_that_is_none_is_a_wrong_word(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a size"):
        _size(None, None, text)


def test_a_box_that_cannot_be_reached_ends_with_one_line() -> None:
    ran = apart("desktop", "ada@127.0.0.1:1", "list", "--set", "ssh.connect_timeout=5")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("ada@127.0.0.1:1: ")
    assert len(ran.err.splitlines()) == 1


def test_the_desktops_of_this_machine_are_listed_as_json(tmp_path: Path) -> None:
    ran = apart("desktop", "local", "list", "--json", HOME=str(tmp_path))
    assert (ran.status, ran.err) == (0, "")
    reported = json.loads(ran.out)
    assert (reported["schema"], reported["box"]) == (SCHEMA, "local")
    assert isinstance(reported["desktops"], list)


def test_a_picture_of_no_desktop_is_an_error_in_words(tmp_path: Path) -> None:
    ran = apart("desktop", "local", "shot", ":29999", str(tmp_path / "a.png"), HOME=str(tmp_path))
    assert ran.status == 1
    assert ran.err.startswith("local: There is no desktop :29999.")
    assert not (tmp_path / "a.png").exists()
