"""Commands on this machine: what they say, how they end, and that nothing stays behind."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gpubox.core.errors import CommandEnded, RemoteError
from gpubox.core.shell import Channel, Link, Shell
from gpubox.local.link import LocalLink
from gpubox.local.shell import LocalShell
from tests.boxes.scripted import until
from tests.hang import LIMIT

SHELL: Shell = LocalShell()
LINK: type[Link] = LocalLink


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return False


async def test_a_command_gives_its_output_and_status() -> None:
    result = await SHELL.run("cat; echo words >&2; exit 3", stdin=b"in")
    assert (result.status, result.signal, result.stdout, result.stderr) == (3, None, b"in", b"words\n")
    assert not result.ok


async def test_a_signal_is_named() -> None:
    result = await SHELL.run("kill -KILL $$")
    assert (result.status, result.signal) == (None, "KILL")
    result = await SHELL.run("kill -40 $$")
    assert result.signal == "40"


async def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with pytest.raises(RemoteError, match="No answer"):
        await SHELL.run(f"sleep 60 & echo $! > {note}; wait", timeout=2.0)
    pid = int(note.read_text("utf-8"))
    await until(lambda: not alive(pid))


async def test_a_channel_stays_open_both_ways() -> None:
    async with SHELL.stream("while read -r x; do echo got $x; done; echo bye >&2") as channel:
        await channel.write(b"a\nb\n")
        assert await channel.read_line(100) == b"got a\n"
        assert await channel.read_line(100) == b"got b\n"


async def test_leaving_a_channel_ends_its_command() -> None:
    async with SHELL.stream("echo $$; exec sleep 60") as channel:
        pid = int(await channel.read_line(100))
        assert alive(pid)
    assert not alive(pid)


async def test_a_command_that_ignores_its_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpubox.local.shell._GRACE", 0.05)
    async with SHELL.stream("trap '' TERM HUP; echo $$; while :; do sleep 0.1; done") as channel:
        pid = int(await channel.read_line(100))
    assert not alive(pid)


async def test_lines_are_cut_at_the_limit_and_the_rest_is_thrown_away() -> None:
    command = "printf 'abc\\n'; head -c 300000 /dev/zero | tr '\\0' x; printf '\\nshort\\n\\nlast'"
    async with SHELL.stream(command) as channel:
        assert await channel.read_line(1000) == b"abc\n"
        assert await channel.read_line(1000) == b"x" * 1000
        assert await channel.read_line(1000) == b"short\n"
        assert await channel.read_line(1000) == b"\n"
        assert await channel.read_line(1000) == b"last"
        assert await channel.read_line(1000) == b""


@pytest.mark.parametrize("length", [9, 10, 11])
async def test_a_line_at_the_limit(length: int) -> None:
    async with SHELL.stream(f"printf '%0{length}d\\nnext\\n' 0") as channel:
        line = await channel.read_line(10)
        assert line == (b"0" * length + b"\n")[:10]
        assert await channel.read_line(10) == b"next\n"


async def test_stderr_keeps_its_last_words_and_never_blocks_the_command() -> None:
    command = "head -c 1000000 /dev/zero | tr '\\0' y >&2; echo end >&2; echo out"
    async with SHELL.stream(command) as channel:
        assert await channel.read_line(100) == b"out\n"
        result = await channel.wait()
        assert result.status == 0
        words = await channel.read_stderr()
        assert len(words) <= 4096
        assert words.endswith(b"yend\n")


async def test_writing_to_a_command_that_has_ended_says_so() -> None:
    async with SHELL.stream("exit 0") as channel:
        await channel.wait()
        with pytest.raises(CommandEnded):
            await _write_for_long(channel)


async def _write_for_long(channel: Channel) -> None:
    async with asyncio.timeout(LIMIT):
        while True:
            await channel.write(b"x" * 100_000)
            await asyncio.sleep(0)


async def test_a_cancelled_reader_leaves_no_process() -> None:
    pids: list[int] = []

    async def read() -> None:
        async with SHELL.stream("echo $$; exec sleep 60") as channel:
            pids.append(int(await channel.read_line(100)))
            await channel.read_line(100)

    reading = asyncio.create_task(read())
    await until(lambda: pids)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert reading.cancelled()
    assert not alive(pids[0])
