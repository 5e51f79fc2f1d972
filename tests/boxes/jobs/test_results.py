"""Results on this machine: where they belong, and never where a box would like to have them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from gpubox.boxes.files.transfer import Files, TransferProgress
from gpubox.boxes.jobs.results import MARK, fetch, places, safe
from gpubox.core.channels import Channels
from gpubox.core.errors import RemoteError
from gpubox.core.feed import Feed
from gpubox.core.record import Record
from gpubox.core.shell import Shell
from gpubox.local.channels import LocalChannels
from gpubox.local.shell import LocalShell
from tests.boxes.jobs.backend import ended, job


class Scripted(Files):
    """A box that writes what it likes, in the folder that it is given."""

    def __init__(self, *names: str) -> None:
        super().__init__("xub", Feed(None), Feed(None))
        self.names = names
        self.asked: list[tuple[list[str], str]] = []

    async def get(
        self, paths: object, to: str, on_progress: object = None, *, replace: bool = False
    ) -> TransferProgress:
        assert isinstance(paths, list)
        self.asked.append((paths, to))
        for name in self.names:
            (Path(to) / name).write_text(name)
        return TransferProgress()


def record(folder: Path, *names: str, name: str = "paint") -> Record:
    """An ended job whose results lie in its working folder."""
    spec = replace(job(1).spec, name=name, results=("*",))
    return replace(ended(job(1)), spec=spec, cwd=str(folder), results=tuple(names))


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a job, on a box that is this machine."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "work"
    folder.mkdir(parents=True)
    return folder


def local() -> Files:
    shell = LocalShell()
    shells: Feed[Shell | None] = Feed(shell)
    channels: Feed[Channels | None] = Feed(LocalChannels(shell))
    return Files("xub", shells, channels)


async def test_results_lie_here_as_they_lie_below_the_working_folder(box: Path, tmp_path: Path) -> None:
    (box / "a" / "deep").mkdir(parents=True)
    files = {"model.pt": b"0", "a/model.pt": b"1", "a/deep/[x]*.txt": b"2", "~": b"3"}
    for name, data in files.items():
        (box / name).write_bytes(data)
    (box.parent / "model.pt").write_bytes(b"elsewhere")
    here = tmp_path / "here"
    paths = [str(box / name) for name in files] + [str(box.parent / "model.pt")]
    seen: list[TransferProgress] = []
    folder = await fetch(local(), "xub", record(box, *paths), str(here), seen.append)
    assert folder == here / "xub" / "paint"
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found.pop(MARK) == job(1).id.encode()
    assert found == {**files, "home/model.pt": b"elsewhere"}
    (box / "model.pt").write_bytes(b"new")
    assert await fetch(local(), "xub", record(box, *paths), str(here)) == folder
    assert (folder / "model.pt").read_bytes() == b"new"


async def test_what_was_removed_on_the_box_is_reported(box: Path, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="No such file"):
        await fetch(local(), "xub", record(box, str(box / "gone")), str(tmp_path / "here"))


async def test_a_job_of_the_same_name_gets_another_folder(tmp_path: Path) -> None:
    first = record(tmp_path, "/x/a")
    second = replace(first, id=job(2).id)
    stranger = tmp_path / "xub" / "mine"
    stranger.mkdir(parents=True)
    folders = [await fetch(Scripted("a"), "xub", one, str(tmp_path)) for one in (first, second, first)]
    assert [folder.name for folder in folders] == ["paint", "paint-abcd02", "paint"]
    mine = await fetch(Scripted("a"), "xub", record(tmp_path, "/x/a", name="mine"), str(tmp_path))
    assert mine.name == "mine-abcd01"
    assert list(stranger.iterdir()) == []
    plain = await fetch(Scripted("a"), "xub", record(tmp_path, "/x/a", name=""), str(tmp_path))
    assert plain.name == job(1).id


async def test_names_of_a_box_lead_nowhere_else(tmp_path: Path) -> None:
    top = tmp_path / "top"
    evil = record(Path("/w"), "/w/../../a", "/w/..", "/", "", "/w/\x1b[2J/../x", f"/w/{MARK}", "/w/..b/c")
    evil = replace(evil, spec=replace(evil.spec, name="../../etc/\x1b[31m"))
    box = Scripted("\x1b[2Jx.txt", "\u202egpj.exe", "good.txt")
    folder = await fetch(box, "../..\n/root", evil, str(top))
    assert await fetch(box, "../..\n/root", evil, str(top)) == folder
    assert folder.parent.parent == top
    assert os.listdir(tmp_path) == ["top"]
    for _, to in box.asked:
        assert to.startswith(f"{folder}/")
        assert ".." not in to.split("/")
    asked = [path for paths, _ in box.asked for path in paths]
    assert sorted({os.path.basename(path) for path in asked}) == ["a", "c", "x"]
    for path in top.rglob("*"):
        assert path.name.isprintable(), path
    assert (folder / "good.txt").read_text() == "good.txt"


async def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    result = record(Path("/w"), "/w/sub/a")
    folder = await fetch(Scripted("a"), "xub", result, str(tmp_path / "top"))
    (folder / "sub" / "a").unlink()
    (folder / "sub").rmdir()
    (folder / "sub").symlink_to(outside)
    with pytest.raises(RemoteError, match="leads out"):
        await fetch(Scripted("a"), "xub", result, str(tmp_path / "top"))
    assert list(outside.iterdir()) == []


async def test_bytes_that_are_no_text_are_found_by_a_pattern(box: Path, tmp_path: Path) -> None:
    (box / os.fsdecode(b"bar\xe9.txt")).write_text("x")
    folder = await fetch(local(), "xub", record(box, str(box / "bar\ufffd.txt")), str(tmp_path / "here"))
    (found,) = [path for path in folder.iterdir() if path.name != MARK]
    assert found.read_text() == "x"
    assert found.name.startswith("bar_~")
    assert found.name.endswith(".txt")


async def test_why_there_are_none_is_reported(tmp_path: Path) -> None:
    files = Scripted()
    with pytest.raises(RemoteError, match="has not ended"):
        await fetch(files, "xub", replace(job(1), results=("/a",)), str(tmp_path))
    with pytest.raises(RemoteError, match=r"No file fits \*"):
        await fetch(files, "xub", record(tmp_path), str(tmp_path))
    with pytest.raises(RemoteError, match="without files"):
        await fetch(files, "xub", ended(job(1)), str(tmp_path))
    (tmp_path / "file").touch()
    for to in (tmp_path / "file" / "x", "\0", "~nobody-of-that-name/x"):
        with pytest.raises(RemoteError, match="cannot be written"):
            await fetch(files, "xub", record(tmp_path, "/a"), str(to))
    assert files.asked == []


@given(st.text(max_size=300))
@example("¡" * 98 + "\uf8ff" * 4)
def test_every_name_becomes_one_that_can_be_shown_and_stays_in_its_folder(name: str) -> None:
    good = safe(name)
    assert good.isprintable()
    assert "/" not in good
    assert good not in ("", ".", "..")
    assert len(good.encode()) <= 255
    assert safe(good) == good


async def test_each_result_is_known_by_where_it_lies_here(box: Path, tmp_path: Path) -> None:
    names = ("a/model[1].pt", "model[1].pt", "esc\x1b[2J.png", "*", "**")
    (box / "a").mkdir()
    for name in names:
        (box / name).write_text(name)
    paths = [str(box / name) for name in names]
    over = record(box, *paths, "/elsewhere/..", "/x/not\ufffdtext")
    folder = await fetch(local(), "xub", replace(over, results=tuple(paths)), str(tmp_path / "here"))
    found = places(folder, over)
    assert {path: found[path].read_text() for path in found} == dict(zip(paths, names, strict=True))
