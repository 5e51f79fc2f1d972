"""What is not changed: what is no text file, what others could redirect, and what is asked for wrongly."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.hang import LIMIT
from tests.remote.fixes.program import FixesProgram, Refusal, Row, edit, tree


def refused(fixes: FixesProgram, *files: Row, **more: object) -> str:
    """Return why a plan is refused."""
    with pytest.raises(Refusal) as found:
        fixes.ask("plan", id="some-fix", files=files, **more)
    return str(found.value)


def test_what_is_no_text_file_is_refused_with_its_name(fixes: FixesProgram, etc: Path) -> None:
    (etc / "large").write_text("x" * (1 << 20) + "x")
    (etc / "binary").write_bytes(b"\xff\xfe")
    os.mkfifo(etc / "pipe")
    (etc / "folder").mkdir()
    (etc / "nowhere").symlink_to(etc / "gone")
    (etc / "loop").symlink_to(etc / "loop")
    for name, words in {
        "large": "has more than 1 MB",
        "binary": "is not UTF-8",
        "pipe": "is a pipe",
        "folder": "is a folder",
        "nowhere": "The link leads nowhere",
        "loop": "link",
    }.items():
        text = refused(fixes, edit(etc / name, "new\n"))
        assert words in text
        assert f"{etc}/{name}" in text


def test_a_link_is_followed_and_its_target_named(fixes: FixesProgram, etc: Path) -> None:
    (etc / "link").symlink_to("one.conf")
    before = tree(etc)
    files = [edit(etc / "link", "new\n")]
    answer = fixes.ask("plan", id="some-fix", files=files)
    assert answer["changes"][0]["path"] == f"{etc}/one.conf"
    assert answer["warnings"] == [f"{etc}/link is really {etc}/one.conf, which is changed"]
    fixes.apply(files=files)
    assert (etc / "link").is_symlink()
    assert (etc / "one.conf").read_text() == "new\n"
    fixes.ask("undo", id="some-fix")
    assert tree(etc) == before


def test_a_file_with_two_names_is_pointed_out(fixes: FixesProgram, etc: Path) -> None:
    os.link(etc / "one.conf", etc / "other")
    answer = fixes.ask("plan", id="some-fix", files=[edit(etc / "one.conf", "new\n")])
    assert answer["warnings"] == [f"{etc}/one.conf has other names, which keep the old content"]


@pytest.mark.parametrize(
    "path",
    ["etc/passwd", "/etc/../etc/passwd", "//etc/passwd", "/", "/etc/a\nb", "/etc/", "/proc/sys/x", "", 7],
)
def test_a_path_that_is_not_plain_is_refused(fixes: FixesProgram, path: object) -> None:
    assert refused(fixes, {"path": path, "text": "x"})


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../../x"}, {"id": ""}, {"id": "UPPER"}, {"id": 5},
        {"files": [{"path": "/tmp/x", "text": 5}]},
        {"files": [{"path": "/tmp/x", "text": "\ud800"}]},
        {"files": [{"path": "/tmp/x", "text": "x", "mode": 1 << 20}]},
        {"files": [{"path": "/tmp/x"}]},
        {"files": [{"path": "/tmp/x", "text": "x", "remove": True}]},
        {"files": [{"path": "/tmp/x", "text": "x"}] * 51},
        {"commands": [{"do": "rm -rf /"}]},
        {"commands": [{"do": [1]}]},
        {"sshd": {"config": "/etc/ssh/sshd_config", "options": {}}},
        {"sshd": {"config": "sshd_config", "options": {"X11Forwarding": "no"}}},
        {"sshd": {"config": "/etc/x", "options": {"Match": "all"}}},
        {"sshd": {"config": "/etc/x", "options": {"X11Forwarding": "no\nPermitRootLogin yes"}}},
        {"sshd": {"config": "/etc/x", "options": {"X11Forwarding": "# no"}}},
        {"sshd": {"config": "/etc/x", "options": {"A B": "no"}}},
        {"sshd": {"config": "/etc/x", "options": {"UsePAM": "no", "usepam": "yes"}}},
        {"sshd": {"config": "/etc/x", "options": {"UsePAM": "no"}}, "seconds": 0},
    ],
)  # fmt: skip
def test_a_request_that_is_wrong_is_refused(fixes: FixesProgram, change: Row) -> None:
    with pytest.raises(Refusal, match="Not understood"):
        fixes.ask("plan", **{"id": "some-fix", "files": [], **change})


def test_what_is_no_request_is_refused_in_words(fixes: FixesProgram) -> None:
    for words, data in (
        (["plan"], b"not json"), (["plan"], b"[]"), (["plan"], b"[" * 100_000), (["nothing"], b"{}"),
        ([], b"{}"), (["serve", "../x"], b""),
        (["serve", "nothing"], b""), (["keep"], b'{"id": "none-such"}'),
    ):  # fmt: skip
        done = subprocess.run(
            [*fixes.command, *words], input=data, capture_output=True, timeout=LIMIT, env=fixes.variables()
        )
        assert done.returncode == 1
        assert set(json.loads(done.stdout)["error"]) == {"title", "text", "hint"}
        assert done.stderr == b""
    assert not fixes.journal.exists()


def test_one_file_is_changed_once_in_a_request(fixes: FixesProgram, etc: Path) -> None:
    (etc / "link").symlink_to("one.conf")
    assert "twice" in refused(fixes, edit(etc / "link", "a"), edit(etc / "one.conf", "b"))


def test_a_folder_that_cannot_be_written_leaves_everything_as_it_was(fixes: FixesProgram, etc: Path) -> None:
    (etc / "file").write_text("no folder\n")
    before = tree(etc)
    with pytest.raises(Refusal) as found:
        fixes.apply(files=[edit(etc / "one.conf", "new\n"), edit(etc / "file" / "below", "new\n")])
    assert "Not a directory" in str(found.value)
    assert tree(etc) == before
    assert fixes.state() == "undone"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may change the files of others")
def test_a_file_of_another_user_needs_root(fixes: FixesProgram) -> None:
    assert "The file is not yours" in refused(fixes, edit(Path("/etc/passwd"), "new\n"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be redirected")
def test_root_changes_nothing_that_a_user_could_redirect(fixes: FixesProgram, etc: Path) -> None:
    theirs = etc / "theirs"
    theirs.mkdir()
    (theirs / "file").write_text("theirs\n")
    (etc / "link").symlink_to("one.conf")
    os.chown(theirs, 4711, 4711)
    os.chown(etc / "link", 4711, 4711, follow_symlinks=False)
    opened = etc / "opened"
    opened.mkdir()
    opened.chmod(0o777)
    sticky = etc / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    (sticky / "file").write_text("theirs\n")
    os.chown(sticky / "file", 4711, 4711)
    for path in (theirs / "file", theirs / "new", etc / "link", opened / "new", sticky / "file"):
        assert "redirect" in refused(fixes, edit(path, "new\n"))
    fixes.ask("plan", id="some-fix", files=[edit(sticky / "new", "new\n")])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be redirected")
def test_root_restores_nothing_in_a_folder_that_became_a_users(fixes: FixesProgram, etc: Path) -> None:
    (etc / "sub").mkdir()
    fixes.apply(files=[edit(etc / "sub" / "file", "new\n")])
    os.chown(etc / "sub", 4711, 4711)
    with pytest.raises(Refusal, match="redirect"):
        fixes.ask("undo", id="some-fix")
    assert "redirect" in fixes.ask("list")["entries"][0]["trouble"]
    with pytest.raises(Refusal, match="An earlier change is half done"):
        fixes.apply("other-fix", files=[edit(etc / "one.conf", "new\n")])
    os.chown(etc / "sub", 0, 0)
    assert fixes.ask("list")["entries"][0]["state"] == "undone"
    assert not (etc / "sub" / "file").exists()


def test_a_journal_that_others_may_write_is_not_believed(fixes: FixesProgram, etc: Path) -> None:
    fixes.apply(files=[edit(etc / "one.conf", "new\n")])
    fixes.journal.chmod(0o777)
    with pytest.raises(Refusal, match="The journal is open to others"):
        fixes.ask("undo", id="some-fix")
    fixes.journal.chmod(0o700)
    moved = fixes.journal.rename(fixes.journal.with_name("moved"))
    fixes.journal.symlink_to(moved)
    with pytest.raises(Refusal, match="The journal is not yours"):
        fixes.ask("undo", id="some-fix")
    if os.geteuid() == 0:
        fixes.journal.unlink()
        moved.rename(fixes.journal)
        os.chown(fixes.journal, 4711, 4711)
        with pytest.raises(Refusal, match="The journal is not yours"):
            fixes.ask("undo", id="some-fix")
