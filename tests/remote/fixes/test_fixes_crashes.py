"""A crash at any step leaves each file whole, and the next request puts everything back."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.hang import LIMIT
from tests.remote.fixes.program import FixesProgram, Row, edit

CRASHES = Path(__file__).with_name("crashes.py")
BEFORE = {"one": ("first\n", 0o640), "two": ("second\n", 0o600), "three": ("third\n", 0o644)}


def observed(fixes: FixesProgram, work: Path, scene: Row) -> list[Row]:
    """Return what was left after a crash at each step."""
    done = subprocess.run(
        [fixes.python, "-I", "-S", CRASHES, fixes.folder, work, json.dumps({"files": BEFORE, **scene})],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def request(work: Path) -> Row:
    """Return a request that changes, moves and makes all kinds of things."""
    etc, mark = work / "etc", work / "etc" / "mark"
    return {
        "id": "some-fix",
        "files": [
            edit(etc / "one", "changed " * 1000, 0o444),
            edit(etc / "two", mode=0o644),
            edit(etc / "three", remove=True),
            edit(etc / "new" / "deep" / "four", "made\n"),
        ],
        "commands": [{"do": ["touch", str(mark)], "undo": ["rm", "-f", str(mark)]}],
    }


def planned(fixes: FixesProgram, work: Path) -> Row:
    """Return the request with the token of the files as they will be."""
    (work / "etc").mkdir(parents=True)
    for name, (text, mode) in BEFORE.items():
        (work / "etc" / name).write_text(text)
        (work / "etc" / name).chmod(mode)
    asked = request(work)
    return {**asked, "token": fixes.ask("plan", **asked)["token"]}


def visible(tree: dict[str, Any]) -> dict[str, Any]:
    """Return a tree without the half-written files that nothing reads yet, and without folders."""
    return {
        name: row
        for name, row in tree.items()
        if "/.gpubox-" not in f"/{name}" and name not in ("new", "new/deep")
    }


BEFORE_TREE = {name: list(row) for name, row in BEFORE.items()}


def whole(rows: list[Row], after: dict[str, Any]) -> None:
    """Assert that each file is wholly before or wholly after, at each crash."""
    for row in rows:
        for crashed in (row["crashed"], row.get("crashed_again", {})):
            for name, found in visible(crashed).items():
                assert found in (BEFORE_TREE.get(name), after.get(name)), (row["at"], name)


@pytest.mark.parametrize("seconds", [(), (2, 5, 9, 14, 20, 27, 35)], ids=["once", "twice"])
def test_a_crash_while_a_fix_is_made_is_taken_back(
    fixes: FixesProgram, tmp_path: Path, seconds: tuple[int, ...]
) -> None:
    work = tmp_path / "work"
    killed = ["apply", planned(fixes, work)]
    rows = observed(fixes, work, {"first": [], "killed": killed, "seconds": list(seconds)})
    after = visible(rows[-1]["crashed"])
    assert rows[-1]["states"] == {"some-fix": "applied"}
    assert after["one"][1] == 0o444
    assert "mark" in after
    whole(rows, after)
    for row in rows:
        applied = row["states"].get("some-fix") == "applied"
        assert row["recovered"] == (rows[-1]["crashed"] if applied else BEFORE_TREE), row["at"]
        assert row["end"].get("some-fix") in (("applied",) if applied else (None, "undone")), row["at"]
    assert sum(row["crashed"] != BEFORE_TREE for row in rows) > 10


@pytest.mark.parametrize("seconds", [(), (2, 5, 9, 14, 20, 27, 35)], ids=["once", "twice"])
def test_a_crash_while_a_fix_is_undone_ends_undone(
    fixes: FixesProgram, tmp_path: Path, seconds: tuple[int, ...]
) -> None:
    work = tmp_path / "work"
    first = ["apply", planned(fixes, work)]
    scene = {"first": [first], "killed": ["undo", {"id": "some-fix"}], "seconds": list(seconds)}
    rows = observed(fixes, work, scene)
    after = visible(rows[0]["crashed"])
    assert after != BEFORE_TREE
    whole(rows, after)
    for row in rows:
        untouched = row["states"]["some-fix"] == "applied"
        assert row["recovered"] == (rows[0]["crashed"] if untouched else BEFORE_TREE), row["at"]
        assert row["end"]["some-fix"] == ("applied" if untouched else "undone"), row["at"]
    assert {row["states"]["some-fix"] for row in rows} == {"applied", "undoing", "undone"}


@pytest.mark.parametrize("gone", ["fix-a", "fix-b"])
def test_a_crash_while_one_of_two_fixes_of_a_file_is_undone_loses_neither(
    fixes: FixesProgram, tmp_path: Path, gone: str
) -> None:
    work = tmp_path / "work"
    config = work / "etc" / "sshd_config"
    config.parent.mkdir(parents=True)
    config.write_text("Port 22\n")
    config.chmod(0o644)
    first: list[Any] = []
    options = {"fix-a": {"UsePAM": "no", "Port": "1"}, "fix-b": {"UsePAM": "yes", "MaxSessions": "5"}}
    for name, expected in options.items():
        asked: Row = {"id": name, "sshd": {"config": str(config), "options": expected}}
        first += [["apply", {**asked, "token": fixes.ask("plan", **asked)["token"]}], ["keep", {"id": name}]]
        fixes.apply(f"made-{name}", files=[edit(path, text) for path, text in made(asked, fixes)])
    for name in ("made-fix-b", "made-fix-a"):
        fixes.ask("undo", id=name)
    scene = {
        "files": {"sshd_config": ("Port 22\n", 0o644)},
        "agreeing": True,
        "first": first,
        "killed": ["undo", {"id": gone}],
        "seconds": [1, 3, 6, 10, 15],
        "last": [["undo", {"id": name}] for name in ("fix-a", "fix-b")],
    }
    rows = observed(fixes, work, scene)
    assert len(rows) > 15
    for row in rows:
        text = row["recovered"]["sshd_config.d/00-gpubox.conf"][0]
        left = sorted(name for name, state in row["end"].items() if state == "kept")
        assert left in (["fix-a", "fix-b"], [name for name in options if name != gone])
        effective = dict(line.split() for line in text.splitlines() if not line.startswith("#"))
        expected: dict[str, str] = {}
        for name in left:
            expected.update(options[name])
        assert effective == expected, row["at"]
        assert row["recovered"]["sshd_config"][0].startswith("Include ")
        assert row["last"] == {"sshd_config": ["Port 22\n", 0o644]}, row["at"]


def made(asked: Row, fixes: FixesProgram) -> list[tuple[Path, str]]:
    """Return what a request would write, so that the token of the next one is for these files."""
    return [(Path(change["path"]), change["after"]) for change in fixes.ask("plan", **asked)["changes"]]
