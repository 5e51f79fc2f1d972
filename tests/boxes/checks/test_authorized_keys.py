"""The file of keys on a box: found, read as a whole, and kept as a whole."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.boxes.checks.authorized_keys import AuthorizedKeys, read_keys
from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.checks.fix_plan import Change, Plan, Planned
from gpubox.boxes.checks.login.facts import KeyFile
from gpubox.boxes.checks.new_key import verify
from gpubox.core.errors import RemoteError
from tests.boxes.checks.key_box import BLOB, CHECK, FILE, HOME, LINE, OTHER, THERE, box, home_of, login, path
from tests.boxes.scripted import ScriptedShell


@given(st.text(max_size=80))
def test_all_that_was_there_stays_before_the_new_line(text: str) -> None:
    after = replace(THERE, text=text).with_line(LINE)
    assert after.startswith(text)
    assert after.split("\n")[-2:] == [LINE, ""]
    assert replace(THERE, text=after).holds(BLOB)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        (LINE, True),
        (f"ssh-ed25519 {BLOB}", True),
        (f'{OTHER}\n from="10.*",command="a b" ssh-ed25519 {BLOB} x\n', True),
        (f"# {LINE}\n", False),
        (f"  #{LINE}\n", False),
        (f"ssh-ed25519 {BLOB}x", False),
        (OTHER, False),
        ("", False),
    ],
)
def test_a_key_is_recognized_whatever_stands_beside_it(text: str, holds: bool) -> None:
    assert replace(THERE, text=text).holds(BLOB) is holds


def planned(*changes: Change) -> Plan:
    return Plan(CHECK, Fix("", ""), "0123", Planned("token", changes))


AFTER = f"{OTHER}\n{LINE}\n"


def test_a_plan_that_adds_one_line_is_right() -> None:
    verify(planned(Change(FILE, THERE.text, AFTER), Change(HOME, mode_after=0o755)), THERE, LINE)
    verify(planned(Change("/real/keys", None, f"{LINE}\n")), replace(THERE, text=""), LINE)
    verify(planned(Change(FILE, None, None, 0o664, 0o600)), replace(THERE, text=AFTER), LINE)
    verify(planned(), replace(THERE, text=AFTER), LINE)


@pytest.mark.parametrize(
    "changes",
    [
        (),
        (Change(FILE, "", AFTER),),
        (Change(FILE, None, AFTER),),
        (Change(FILE, f"{OTHER}\n{OTHER}\n", AFTER),),
        (Change(FILE, THERE.text, f"{LINE}\n"),),
        (Change(FILE, THERE.text, None),),
        (Change(FILE, THERE.text, AFTER), Change("/etc/passwd", "", "x")),
    ],
)
def test_a_plan_that_loses_a_line_is_refused(changes: tuple[Change, ...]) -> None:
    with pytest.raises(RemoteError, match="changed meanwhile"):
        verify(planned(*changes), THERE, LINE)


async def test_the_file_is_read_whatever_the_login_shell_says_first(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    made, _, _ = box(home)
    found = await read_keys(made, None)
    assert found == AuthorizedKeys(f"{home}/.ssh/authorized_keys", f"{OTHER}\n", True, os.getuid())
    (home / ".ssh" / "authorized_keys").unlink()
    (home / ".ssh").rmdir()
    found = await read_keys(made, None)
    assert (found.text, found.folder_there) == ("", False)


async def test_a_place_with_odd_characters_is_no_code(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    made, _, _ = box(home)
    odd = f"{home}/$(touch {tmp_path}/owned)'`x`\""
    Path(odd).parent.mkdir(parents=True, exist_ok=True)
    found = await read_keys(made, login(KeyFile(odd), home=str(home)))
    assert (found.path, found.text) == (odd, "")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("data", "said"), [(b"\xff\xfe", "is not UTF-8"), (b"# x\n" * 300_000, "has more than 1 MB")]
)
async def test_what_cannot_be_changed_as_a_whole_is_reported(tmp_path: Path, data: bytes, said: str) -> None:
    home = home_of(tmp_path)
    made, _, _ = box(home)
    (home / ".ssh" / "authorized_keys").write_bytes(data)
    with pytest.raises(RemoteError, match=said):
        await read_keys(made, None)


async def test_what_is_no_file_is_reported(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    made, _, _ = box(home)
    (home / ".ssh" / "authorized_keys").unlink()
    os.mkfifo(home / ".ssh" / "authorized_keys")
    with pytest.raises(RemoteError, match="is no plain file"):
        await read_keys(made, None)


async def test_a_box_that_runs_nothing_is_reported(tmp_path: Path) -> None:
    made, _, _ = box(home_of(tmp_path))
    made.shell.put(ScriptedShell())
    with pytest.raises(RemoteError, match="did not run a script of ours"):
        await read_keys(made, None)


@pytest.mark.parametrize("files", [(), (KeyFile("/etc/ssh/keys/ada"),), (KeyFile("/home/adam/keys"),)])
async def test_keys_outside_of_the_home_are_left_to_root(tmp_path: Path, files: tuple[KeyFile, ...]) -> None:
    made, _, _ = box(home_of(tmp_path))
    with pytest.raises(RemoteError, match="sshd reads no keys from the home"):
        await read_keys(made, login(*files))


@pytest.mark.parametrize(
    ("mode", "own_group", "debian", "uid", "expected"),
    [
        (0o755, False, False, 1000, 0),
        (0o775, False, False, 1000, 0o755),
        (0o777, False, True, 1000, 0o755),
        (0o775, True, True, 1000, 0),
        (0o777, True, True, 1000, 0o755),
        (0o775, True, False, 1000, 0o755),
        (0o777, False, False, 0, 0),
    ],
)
async def test_a_home_that_others_can_write_is_to_be_repaired(
    tmp_path: Path, mode: int, own_group: bool, debian: bool, uid: int, expected: int
) -> None:
    home = home_of(tmp_path)
    made, _, _ = box(home)
    file = f"{home}/.ssh/authorized_keys"
    paths = (path(file, 0o600), path(str(home), mode, uid=uid, own_group=own_group))
    found = await read_keys(made, login(KeyFile(file, paths=paths), home=str(home), debian=debian))
    assert (found.home, found.home_mode) == ((str(home), expected) if expected else ("", 0))
