"""Changes of files: shown, made, journaled, and undone to the byte."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpubox.remote.fixes import apply
from gpubox.remote.fixes.asked import AskedFix
from gpubox.remote.fixes.journal import FixJournal
from tests.remote.fixes.program import FixesProgram, Refusal, Tree, edit, tree


def test_a_plan_shows_everything_and_changes_nothing(fixes: FixesProgram, etc: Path) -> None:
    before = tree(etc.parent)
    files = [
        edit(etc / "one.conf", "changed\n"),
        edit(etc / "two.conf", mode=0o644),
        edit(etc / "new" / "three.conf", "new\n", 0o640),
    ]
    commands = [{"do": ["true"], "undo": ["true"]}]
    answer = fixes.ask("plan", id="some-fix", files=files, commands=commands)
    assert answer["changes"] == [
        {"path": f"{etc}/{name}", "before": was, "after": text, "mode_before": from_, "mode_after": to}
        for name, was, text, from_, to in (
            ("one.conf", "first\n", "changed\n", 0o640, 0o640),
            ("two.conf", None, None, 0o600, 0o644),
            ("new/three.conf", None, "new\n", None, 0o640),
        )
    ]
    assert answer["commands"] == commands
    assert answer["warnings"] == []
    assert tree(etc.parent) == before


def test_a_fix_is_made_listed_and_undone_to_the_byte(fixes: FixesProgram, etc: Path) -> None:
    before = tree(etc)
    files = [
        edit(etc / "one.conf", "changed\n", 0o444),
        edit(etc / "two.conf", remove=True),
        edit(etc / "a" / "b" / "three.conf", "new\n"),
    ]
    made = fixes.apply(files=files)
    assert made == {"id": "some-fix", "state": "applied", "seconds": 0, "reload": ""}
    after = tree(etc)
    assert after["one.conf"] == ("changed\n", 0o444)
    assert "two.conf" not in after
    assert after["a/b/three.conf"][1] == (0o644 if os.geteuid() == 0 else 0o600)
    (entry,) = fixes.ask("list")["entries"]
    assert (entry["id"], entry["title"], entry["state"]) == ("some-fix", "Make some-fix", "applied")
    assert entry["paths"] == [file["path"] for file in files]
    assert fixes.ask("undo", id="some-fix")["state"] == "undone"
    assert tree(etc) == before
    assert fixes.ask("undo", id="some-fix")["state"] == "undone"


def test_the_journal_is_readable_and_holds_no_content_but_in_its_backups(
    fixes: FixesProgram, etc: Path
) -> None:
    (etc / "one.conf").write_text("password = of the past\n")
    fixes.apply(files=[edit(etc / "one.conf", "password = of the future\n")])
    text = (fixes.journal / "some-fix" / "entry.json").read_text()
    assert "password" not in text
    assert text.count("\n") > 10
    assert "password" not in json.dumps(fixes.ask("list"))
    backup = fixes.journal / "some-fix" / "0.before"
    assert backup.read_text() == "password = of the past\n"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_a_private_key_gets_its_mode_without_being_read(fixes: FixesProgram, tmp_path: Path) -> None:
    folder = tmp_path / ".ssh"
    folder.mkdir()
    folder.chmod(0o775)
    key = folder / "id_ed25519"
    key.write_bytes(b"\xff secret")
    key.chmod(0o644)
    before = folder.stat().st_mode, key.stat().st_mode
    fixes.apply(files=[edit(folder, mode=0o700), edit(key, mode=0o600)])
    assert (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(key.stat().st_mode)) == (0o700, 0o600)
    assert not [
        path for path in fixes.journal.rglob("*") if path.is_file() and b"secret" in path.read_bytes()
    ]
    fixes.ask("undo", id="some-fix")
    assert (folder.stat().st_mode, key.stat().st_mode) == before


def test_a_file_that_changed_after_the_plan_is_not_touched(fixes: FixesProgram, etc: Path) -> None:
    asked = {"id": "some-fix", "files": [edit(etc / "one.conf", "ours\n")]}
    token = fixes.ask("plan", **asked)["token"]
    (etc / "one.conf").write_text("theirs\n")
    with pytest.raises(Refusal, match="The files changed meanwhile"):
        fixes.ask("apply", **asked, token=token)
    assert (etc / "one.conf").read_text() == "theirs\n"
    with pytest.raises(Refusal, match="The files changed meanwhile"):
        fixes.ask("apply", **asked)


def test_a_file_that_changed_since_is_only_undone_by_force(fixes: FixesProgram, etc: Path) -> None:
    fixes.apply(files=[edit(etc / "one.conf", "ours\n"), edit(etc / "two.conf", "ours\n")])
    (etc / "one.conf").write_text("theirs\n")
    with pytest.raises(Refusal) as refused:
        fixes.ask("undo", id="some-fix")
    assert f"{etc}/one.conf was changed since" in refused.value.row["text"]
    assert f"{fixes.journal}/some-fix/0.before" in refused.value.row["text"]
    assert (etc / "two.conf").read_text() == "ours\n"
    fixes.ask("undo", id="some-fix", force=True)
    assert (etc / "one.conf").read_text() == "first\n"
    assert (etc / "two.conf").read_text() == "zwei ä\n"


def test_a_later_fix_of_the_same_file_has_to_be_undone_first(fixes: FixesProgram, etc: Path) -> None:
    fixes.apply("fix-a", files=[edit(etc / "one.conf", "a\n")])
    fixes.apply("fix-b", files=[edit(etc / "one.conf", "b\n")])
    with pytest.raises(Refusal, match="Undo `Make fix-b` first"):
        fixes.ask("undo", id="fix-a")
    fixes.ask("undo", id="fix-b")
    fixes.ask("undo", id="fix-a")
    assert (etc / "one.conf").read_text() == "first\n"


def test_what_others_put_into_a_folder_of_ours_stays(fixes: FixesProgram, etc: Path) -> None:
    fixes.apply(files=[edit(etc / "made" / "x.conf", "x\n")])
    (etc / "made" / "theirs").write_text("theirs\n")
    fixes.ask("undo", id="some-fix")
    assert [path.name for path in (etc / "made").iterdir()] == ["theirs"]


def test_an_id_is_used_once(fixes: FixesProgram, etc: Path) -> None:
    fixes.apply(files=[edit(etc / "one.conf", "a\n")])
    with pytest.raises(Refusal, match="This fix was made before"):
        fixes.apply(files=[edit(etc / "one.conf", "b\n")])


def test_what_is_so_already_is_no_change(fixes: FixesProgram, etc: Path) -> None:
    files = [edit(etc / "one.conf", "first\n", 0o640), edit(etc / "none", remove=True)]
    assert fixes.ask("plan", id="some-fix", files=files)["changes"] == []
    with pytest.raises(Refusal, match="Nothing to change"):
        fixes.apply(files=files)


def test_attributes_of_a_file_outlive_a_change(fixes: FixesProgram, etc: Path) -> None:
    try:
        os.setxattr(etc / "one.conf", "user.note", b"keep me")
    except OSError:
        pytest.skip("this file system has no attributes")
    fixes.apply(files=[edit(etc / "one.conf", "new\n")])
    assert os.getxattr(etc / "one.conf", "user.note") == b"keep me"
    fixes.ask("undo", id="some-fix")
    assert os.getxattr(etc / "one.conf", "user.note") == b"keep me"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owner_and_group_outlive_a_change(fixes: FixesProgram, etc: Path) -> None:
    os.chown(etc / "one.conf", 4711, 4712)
    for verb in ("apply", "undo"):
        if verb == "apply":
            fixes.apply(files=[edit(etc / "one.conf", "new\n")])
        else:
            fixes.ask("undo", id="some-fix")
        found = (etc / "one.conf").stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (4711, 4712, 0o640)


NAMES = ("a", "b", "sub/c", "sub/deep/d")
TEXTS = st.one_of(st.none(), st.text(max_size=20).filter(lambda text: "\r" not in text))
MODES = st.sampled_from((0o600, 0o644, 0o755, 0o444, 0o2755))
FILES = st.dictionaries(st.sampled_from(NAMES), st.tuples(TEXTS, MODES), max_size=4)


def snapshot(folder: Path) -> Tree:
    """Return a tree by bytes."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes().hex() if path.is_file() else "",
            path.stat().st_mode & 0o7777,
        )
        for path in folder.rglob("*")
    }


@given(before=FILES, after=FILES, order=st.permutations(range(3)))
@settings(max_examples=60)
def test_whatever_files_were_there_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    before: dict[str, tuple[str | None, int]],
    after: dict[str, tuple[str | None, int]],
    order: list[int],
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    for name, (text, mode) in before.items():
        if text is not None:
            (folder / "etc" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "etc" / name).write_bytes(text.encode())
            (folder / "etc" / name).chmod(mode)
    (folder / "etc").mkdir(exist_ok=True)
    was = snapshot(folder / "etc")
    files = [
        edit(folder / "etc" / name, text, mode) for name, (text, mode) in after.items() if text is not None
    ]
    files += [edit(folder / "etc" / name, remove=True) for name, (text, _) in after.items() if text is None]
    parts = [files[index::3] for index in range(3)]  # three fixes of different files, undone in any order
    with FixJournal(create=True, folder=str(folder / "journal")) as journal:
        made: list[str] = []
        for index, part in enumerate(parts):
            asked = {"id": f"fix-{index}", "files": part}
            plan = apply.plan(AskedFix(asked))
            if plan["changes"]:
                apply.apply(journal, AskedFix({**asked, "token": plan["token"]}))
                made.append(f"fix-{index}")
        for name, (text, mode) in after.items():
            found = snapshot(folder / "etc").get(name)
            assert found == (None if text is None else (text.encode().hex(), mode))
        for index in order:
            if f"fix-{index}" in made:
                apply.undo(journal, journal.entry(f"fix-{index}"), force=False)
    assert snapshot(folder / "etc") == was
