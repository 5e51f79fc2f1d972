"""Files over links that are lost, half files of earlier tries, and a box that is not to be trusted."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import shlex
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gpubox.boxes.files.transfer import Files, TransferProgress
from gpubox.core.channels import Pipes
from gpubox.core.errors import RemoteError
from gpubox.local.channels import LocalChannels
from gpubox.local.shell import LocalShell
from tests.boxes.files.cut_line import BIG, Line, furnish, tree
from tests.boxes.scripted import until


@pytest.mark.parametrize("way", ["put", "get"])
async def test_half_a_file_of_a_try_that_was_given_up_is_gone_on_with(
    files: Files, line: Line, home: Path, here: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpubox.boxes.files.pipes._FULL", 100_000)  # what waits to be written is given up too
    source, target = (here, home) if way == "put" else (home, here)
    (source / "big").write_bytes(BIG)

    async def copy() -> TransferProgress:
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
    assert done.reused == size
    assert line.passed < len(BIG) - size + 100_000
    assert not list(target.glob(".gpubox-*"))


async def test_half_a_file_that_begins_otherwise_is_sent_again(files: Files, home: Path, here: Path) -> None:
    (here / "big").write_bytes(BIG)
    await files.put([str(here / "big")], "")
    (home / "big").unlink()
    stem = next(name for name in _stems("big"))
    (home / stem).write_bytes(b"?" + BIG[1:2_000_000])
    done = await files.put([str(here / "big")], "")
    assert done.reused == 0
    assert (home / "big").read_bytes() == BIG


def _stems(name: str) -> list[str]:
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
                await asyncio.sleep(0.01)  # an outage has a length
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


async def test_files_go_both_ways_where_the_home_takes_no_files(
    files: Files, home: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nothing/can/be/written")
    (here / "big").write_bytes(BIG)
    await files.put([str(here / "big")], "")
    assert (home / "big").read_bytes() == BIG
    await files.get(["big"], str(here / "back"))
    assert (here / "back").read_bytes() == BIG


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
        ({"files": float("inf")}, {}),
        ({"bytes": 1.7e308}, {}),
        ({"there": 10**400}, {}),
        ({}, {"mode": float("nan")}),
        ({}, {"size": -2}),
        ({}, {"size": True}),
    ],
)
async def test_a_box_that_sends_something_else_is_refused(
    files: Files, line: Line, here: Path, head: dict[str, object], row: dict[str, object]
) -> None:
    plan = {"roots": ["file"], "single": True, "files": 1, "bytes": 1, "there": 0, "skipped": [], **head}
    first = json.dumps({"transfer": "x", **plan})
    second = json.dumps({"what": "file", "path": ["file"], "mode": 0o644, "size": 1, "ask": False, **row})
    said = f"{first}\n{second}\n"
    line.channels.put(_Lies(said))
    before = tree(here.parent)
    with pytest.raises(RemoteError) as raised:
        await files.get(["file"], f"{here}/")
    assert raised.value.title in ("Not what was asked for", "Not understood")
    assert tree(here.parent) == before


@pytest.mark.parametrize("said", ["[" * 100_000, '{"files":1e999}', f'{{"files":{"9" * 5000}}}', "null"])
async def test_a_box_that_sends_no_plan_is_refused(files: Files, line: Line, here: Path, said: str) -> None:
    line.channels.put(_Lies(f"{said}\n"))
    with pytest.raises(RemoteError, match="Not understood"):
        await files.get(["file"], f"{here}/")


async def test_a_transfer_given_up_before_the_box_answers_leaves_no_thread(files: Files, line: Line) -> None:
    before = threading.active_count()
    silent = _Silent()
    line.channels.put(silent)
    task = asyncio.create_task(files.get(["file"], "/nowhere/"))
    await until(lambda: silent.open)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert not silent.open
    await until(lambda: threading.active_count() <= before)


class _Silent(LocalChannels):
    """A box whose program never says anything."""

    def __init__(self) -> None:
        self.open = 0

    @asynccontextmanager
    async def pipes(self, command: str | None) -> AsyncGenerator[Pipes]:
        async with LocalChannels(LocalShell()).pipes("cat >/dev/null") as pipes:
            self.open += 1
            try:
                yield pipes
            finally:
                self.open -= 1


class _Lies(LocalChannels):
    """A box whose program was replaced."""

    def __init__(self, said: str) -> None:
        self._said = said

    @asynccontextmanager
    async def pipes(self, command: str | None) -> AsyncGenerator[Pipes]:
        mark = re.search("gpubox-[0-9a-f]{12}", command or "")
        assert mark
        line = f"printf '\\n{mark[0]} HAVE\\n%s' {shlex.quote(self._said)}; cat >&2"
        async with LocalChannels(LocalShell()).pipes(line) as pipes:
            yield pipes
