"""Files both ways, through the program at both ends: what arrives, what is refused, what is gone on with."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from gpubox.boxes.files import Files, Progress
from gpubox.core.doors import Doors, Pipes
from gpubox.core.errors import ConfigError, Dropped, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.shell import Shell
from gpubox.local.doors import LocalDoors
from gpubox.local.shell import LocalShell
from tests.boxes.scripted import until

NAMES = (
    "plain.txt", "two words", " ", "a'quote", 'a"quote', "new\nline", "$(touch hit)", "`touch hit`", "-rf",
    "--", "*", "[a]", "~", "back\\slash", "emoji 🧪", "äöü", "tab\there", "\x01\x7f", ";", "%s", "a" * 250,
)  # fmt: skip
BIG = random.Random(7).randbytes(5_000_000)


class Line:
    """A link to this machine that a test cuts."""

    def __init__(self) -> None:
        self.shell: Feed[Shell | None] = Feed(None)
        self.doors: Feed[Doors | None] = Feed(None)
        self.left: int | None = None
        """Bytes, both ways, after which the pipes are cut; None is never."""
        self.cuts = 0
        self.passed = 0
        self.up()

    def up(self) -> None:
        shell = LocalShell()
        self.shell.put(shell)
        self.doors.put(_Doors(self, LocalDoors(shell)))

    def spend(self, size: int) -> None:
        self.passed += size
        if self.left is not None:
            self.left -= size
            if self.left < 0:
                self.left = None
                self.cuts += 1
                self.doors.put(None)
                self.shell.put(None)
                raise Dropped("Link lost", "a test cut it")


class _Doors(LocalDoors):
    def __init__(self, line: Line, inner: LocalDoors) -> None:
        self._line = line
        self._inner = inner

    def pipes(self, command: str | None) -> AbstractAsyncContextManager[Pipes]:
        return self._pipes(command)

    @asynccontextmanager
    async def _pipes(self, command: str | None) -> AsyncGenerator[Pipes]:
        async with self._inner.pipes(command) as pipes:
            yield _Pipes(self._line, pipes)


class _Pipes:
    def __init__(self, line: Line, inner: Pipes) -> None:
        self._line = line
        self._inner = inner
        self.end = inner.end
        self.wait = inner.wait

    async def write(self, data: bytes) -> None:
        self._line.spend(len(data))
        await self._inner.write(data)

    async def read(self) -> tuple[bool, bytes]:
        piece = await self._inner.read()
        self._line.spend(len(piece[1]))
        return piece


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def files(line: Line) -> Files:
    return Files("box", line.shell, line.doors)


def tree(folder: Path) -> dict[str, bytes | None]:
    """All that is in a folder, by path: the bytes of files, None for folders."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
        if ".cache" not in path.parts
    }


def furnish(folder: Path) -> None:
    """Make a folder with all kinds of files in it."""
    (folder / "sub" / "empty").mkdir(parents=True)
    for name in NAMES:
        (folder / "sub" / name).write_bytes(name.encode())
    (folder / "big").write_bytes(BIG)
    (folder / "nothing").touch()
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / os.fsdecode(b"no utf-8 \xff")).write_bytes(b"odd")


async def test_a_folder_goes_there_and_comes_back_the_same(files: Files, home: Path, here: Path) -> None:
    furnish(here / "project")
    sent = await files.put([str(here / "project")], "")
    assert tree(home / "project") == tree(here / "project")
    assert (home / "project" / "run.sh").stat().st_mode & 0o777 == 0o755
    back = here / "back"
    back.mkdir()
    got = await files.get(["project"], str(back))
    assert tree(back / "project") == tree(here / "project")
    assert (sent.files, sent.bytes, sent.skipped) == (got.files, got.bytes, got.skipped)
    assert sent.bytes == sent.all_bytes > len(BIG)
    assert not (home / "hit").exists()


@pytest.mark.parametrize("name", [" ", "new\nline", "$(touch hit)", "-rf", "*", "~"])
async def test_a_file_of_any_name_goes_both_ways(files: Files, home: Path, here: Path, name: str) -> None:
    (here / name).write_bytes(b"first")
    await files.put([str(here / name)], "")
    assert (home / name).read_bytes() == b"first"
    (home / name).write_bytes(b"second")
    if name != "~":
        await files.get([f"./{name}"], f"{here}/")
        assert (here / name).read_bytes() == b"second"


async def test_one_file_gets_the_name_that_is_wished(files: Files, home: Path, here: Path) -> None:
    (here / "a").write_bytes(b"1")
    await files.put([str(here / "a")], "~/b c")
    assert (home / "b c").read_bytes() == b"1"
    await files.put([str(here / "a")], "new folder/")
    assert (home / "new folder" / "a").read_bytes() == b"1"
    await files.get(["new folder"], str(here / "other"))
    assert (here / "other" / "a").read_bytes() == b"1"


async def test_patterns_are_filled_in_by_the_box(files: Files, home: Path, here: Path) -> None:
    for name in ("out1.png", "out2.png", "out.txt"):
        (home / name).write_text(name)
    await files.get(["out*.png"], str(here))
    assert sorted(tree(here)) == ["out1.png", "out2.png"]


async def test_what_lies_there_is_replaced_in_one_step_and_keeps_its_mode(
    files: Files, home: Path, here: Path
) -> None:
    (home / "old").write_bytes(b"old")
    (home / "old").chmod(0o640)
    (home / "link").symlink_to("old")
    reader = (home / "old").open("rb")
    (here / "link").write_bytes(b"new")
    await files.put([str(here / "link")], "")
    assert reader.read() == b"old"
    reader.close()
    assert (home / "old").read_bytes() == b"new"
    assert (home / "link").is_symlink()
    assert (home / "old").stat().st_mode & 0o777 == 0o640


async def test_what_is_there_already_is_not_sent_again(
    files: Files, line: Line, home: Path, here: Path
) -> None:
    (here / "big").write_bytes(BIG)
    (home / "big").write_bytes(BIG)
    done = await files.put([str(here / "big")], "")
    assert (done.kept, done.bytes, done.files) == (len(BIG), len(BIG), 1)
    assert line.passed < 100_000
    (home / "big").write_bytes(BIG[:-1] + b"?")
    done = await files.get(["big"], str(here))
    assert done.kept == 0
    assert (here / "big").read_bytes() == (home / "big").read_bytes()


@pytest.mark.parametrize("way", ["put", "get"])
async def test_half_a_file_of_a_try_that_was_given_up_is_gone_on_with(
    files: Files, line: Line, home: Path, here: Path, way: str
) -> None:
    source, target = (here, home) if way == "put" else (home, here)
    (source / "big").write_bytes(BIG)

    async def copy() -> Progress:
        if way == "put":
            return await files.put([str(here / "big")], "")
        return await files.get(["big"], str(here))

    line.left = 3_000_000
    task = asyncio.create_task(copy())
    await until(lambda: line.cuts)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not (target / "big").exists()
    (half,) = target.glob(".gpubox-*.part")
    size = half.stat().st_size
    assert 0 < size < len(BIG)
    line.up()
    line.passed = 0
    done = await copy()
    assert (target / "big").read_bytes() == BIG
    assert done.kept == size
    assert line.passed < len(BIG) - size + 100_000
    assert not list(target.glob(".gpubox-*"))


async def test_half_a_file_that_begins_otherwise_is_sent_anew(files: Files, home: Path, here: Path) -> None:
    (here / "big").write_bytes(BIG)
    await files.put([str(here / "big")], "")
    (home / "big").unlink()
    stem = next(name for name in _stems("big"))
    (home / stem).write_bytes(b"?" + BIG[1:2_000_000])
    done = await files.put([str(here / "big")], "")
    assert done.kept == 0
    assert (home / "big").read_bytes() == BIG


def _stems(name: str) -> list[str]:
    import hashlib

    return [f".gpubox-{hashlib.sha256(name.encode()).hexdigest()[:16]}.other.part"]


@pytest.mark.parametrize("way", ["put", "get"])
async def test_many_cuts_lose_nothing_and_double_nothing(
    files: Files, line: Line, home: Path, here: Path, way: str
) -> None:
    source, target = (here, home) if way == "put" else (home, here)
    furnish(source / "project")
    chance = random.Random(11)

    async def healing() -> None:
        async for shell in line.shell.follow():
            if shell is None:
                await asyncio.sleep(0.01)
                line.left = chance.randrange(200_000, 1_300_000) if line.cuts < 8 else None
                line.up()

    line.left = 500_000
    task = asyncio.create_task(healing())
    if way == "put":
        done = await files.put([str(here / "project")], "")
    else:
        done = await files.get(["project"], str(here))
    task.cancel()
    assert line.cuts >= 4
    assert tree(target / "project") == tree(source / "project")
    assert done.files == done.all_files
    assert done.bytes == done.all_bytes


async def test_a_disk_that_is_full_is_said_and_nothing_half_is_left_in_place(
    files: Files, home: Path, here: Path
) -> None:
    (here / "big").write_bytes(BIG)
    with pytest.raises(RemoteError) as raised:
        await files.put([str(here / "big")], "/dev/full")
    assert raised.value.title == "Cannot be written"
    (home / "closed").mkdir(0o500)
    if os.geteuid() != 0:
        with pytest.raises(RemoteError, match="Not allowed"):
            await files.put([str(here / "big")], "closed")


async def test_what_is_no_file_is_left_out_and_named(files: Files, home: Path, here: Path) -> None:
    (here / "tree").mkdir()
    os.mkfifo(here / "tree" / "pipe")
    (here / "tree" / "loop").symlink_to(".")
    (here / "tree" / "gone").symlink_to("nowhere")
    (here / "tree" / "real").write_text("x")
    (here / "tree" / "link").symlink_to("real")
    done = await files.put([str(here / "tree")], "")
    assert sorted(tree(home / "tree")) == ["link", "real"]
    assert sorted(text.rpartition("/")[2] for text in done.skipped) == [
        "gone: No such file or directory", "loop: a link to a folder", "pipe: neither a file nor a folder",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("paths", "to", "title"),
    [
        (["missing"], "", "No such file"),
        (["no*thing"], "", "No such file"),
        (["there"], "no/such/folder", "No such folder"),
        (["folder"], "there", "In the way"),
        (["there"], "folder2", "Cannot be written"),
    ],
)
async def test_what_cannot_be_fetched_is_said(
    files: Files, home: Path, here: Path, paths: list[str], to: str, title: str
) -> None:
    for folder in (home, here):
        (folder / "there").write_text("x")
        (folder / "folder").mkdir()
    (here / "folder2" / "there").mkdir(parents=True)
    with pytest.raises(RemoteError) as raised:
        await files.get(paths, str(here / to) if to else str(here))
    assert raised.value.title == title


async def test_a_file_that_is_not_here_is_said(files: Files, home: Path, here: Path) -> None:
    with pytest.raises(RemoteError, match="Cannot be read"):
        await files.put([str(here / "missing")], "")


@pytest.mark.parametrize("path", ["", "/", "~", "~/", ".", "..", "a/.."])
async def test_a_whole_home_is_not_fetched(files: Files, here: Path, path: str) -> None:
    with pytest.raises(ConfigError):
        await files.get([path], str(here))


async def test_progress_is_told_while_it_goes_on(files: Files, home: Path, here: Path) -> None:
    (here / "big").write_bytes(BIG * 8)
    seen: list[Progress] = []
    await files.put([str(here / "big")], "", seen.append)
    assert seen[-1].all_bytes in (0, 8 * len(BIG))
    assert all(one.bytes <= 8 * len(BIG) for one in seen)


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ({"roots": ["other"]}, {}),
        ({"roots": [".."]}, {}),
        ({}, {"path": ["file", "..", "..", "x"]}),
        ({}, {"path": ["file", "/etc/x"]}),
        ({}, {"path": ["elsewhere"]}),
        ({}, {"path": []}),
        ({}, {"what": "file", "path": "file"}),
        ({"files": "many"}, {}),
        ({"roots": 3}, {}),
    ],
)
async def test_a_box_that_sends_something_else_is_refused(
    files: Files, line: Line, here: Path, head: dict[str, object], row: dict[str, object]
) -> None:
    import json

    plan = {"roots": ["file"], "single": True, "files": 1, "bytes": 1, "there": 0, "skipped": [], **head}
    first = json.dumps({"transfer": "x", **plan})
    second = json.dumps({"what": "file", "path": ["file"], "mode": 0o644, "size": 1, "ask": False, **row})
    said = f"{first}\n{second}\n"
    line.doors.put(_Lies(said))
    before = tree(here.parent)
    with pytest.raises(RemoteError) as raised:
        await files.get(["file"], f"{here}/")
    assert raised.value.title in ("Not what was asked for", "Not understood")
    assert tree(here.parent) == before


class _Lies(LocalDoors):
    """A box whose program was replaced."""

    def __init__(self, said: str) -> None:
        self._said = said

    def pipes(self, command: str | None) -> AbstractAsyncContextManager[Pipes]:
        import re
        import shlex

        mark = re.search("gpubox-[0-9a-f]{12}", command or "")
        assert mark
        return LocalDoors(LocalShell()).pipes(
            f"printf '\\n{mark[0]} HAVE\\n%s' {shlex.quote(self._said)}; cat >&2"
        )
