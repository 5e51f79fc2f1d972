"""Files against others: a user who shares the folder, and a box that is not to be trusted."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from gpubox.boxes.files.transfer import Files
from gpubox.core.channels import Pipes
from gpubox.core.errors import RemoteError
from gpubox.local.channels import LocalChannels
from gpubox.local.shell import LocalShell
from tests.boxes.files.cut_line import BIG, Line, tree

OTHER = 65_534
"""A user that every system has, and who owns nothing."""


def half(name: str, transfer: str = "aaaa") -> str:
    return f".gpubox-{hashlib.sha256(name.encode()).hexdigest()[:16]}.{transfer}.part"


@contextmanager
def shared(mode: int) -> Generator[Path]:
    """A folder that others reach: each run of pytest closes the folder of all runs to them."""
    with tempfile.TemporaryDirectory(prefix="gpubox-shared-") as name:
        folder = Path(name)
        folder.chmod(mode)
        yield folder


def spy(path: Path) -> subprocess.Popen[bytes]:
    """Another user who makes a file, holds it open, and prints what stands in it when a line comes."""
    code = (
        "import os,sys\n"
        f"os.setgroups([]); os.setgid({OTHER}); os.setuid({OTHER})\n"
        "file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)\n"
        "os.fchmod(file, 0o666)\n"
        "print('made', flush=True); sys.stdin.readline()\n"
        "sys.stdout.write(str(os.fstat(file).st_size)); sys.stdout.flush()\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes two users")


@as_root
@pytest.mark.parametrize("way", ["put", "get"])
@pytest.mark.parametrize("mode", [0o777, 0o1777])
@pytest.mark.parametrize("name", [half("big"), "big"])
async def test_nothing_that_another_user_made_beforehand_gets_the_bytes(
    files: Files, home: Path, here: Path, way: str, mode: int, name: str
) -> None:
    source = (here if way == "put" else home) / "big"
    source.write_bytes(BIG)
    source.chmod(0o600)
    with shared(mode) as folder, spy(folder / name) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"made\n"
        if way == "put":
            await files.put([str(source)], str(folder))
        else:
            await files.get(["big"], str(folder))
        read, _ = other.communicate(b"\n", timeout=60)
        assert read == b"0"
        there = folder / "big"
        assert there.read_bytes() == BIG
        assert (there.stat().st_uid, there.stat().st_mode & 0o777) == (0, 0o600)


@as_root
async def test_a_half_file_with_a_second_name_is_not_written_to(files: Files, home: Path, here: Path) -> None:
    (here / "big").write_bytes(BIG)
    other = home / "mine"
    other.write_bytes(BIG[:100_000])
    other.chmod(0o600)
    os.link(other, home / half("big"))
    done = await files.put([str(here / "big")], "")
    assert done.reused == 0
    assert other.read_bytes() == BIG[:100_000]


@pytest.mark.parametrize("kind", ["fifo", "link"])
async def test_what_is_no_plain_file_is_no_half_file(files: Files, home: Path, here: Path, kind: str) -> None:
    (here / "big").write_bytes(BIG)
    if kind == "fifo":
        os.mkfifo(home / half("big"), 0o600)
    else:
        (home / "victim").write_bytes(b"whole")
        (home / half("big")).symlink_to("victim")
    await files.put([str(here / "big")], "")
    assert (home / "big").read_bytes() == BIG
    assert kind == "fifo" or (home / "victim").read_bytes() == b"whole"


@as_root
async def test_the_link_of_another_user_in_a_shared_folder_is_not_followed(
    files: Files, home: Path, here: Path
) -> None:
    (home / "victim").write_bytes(b"whole")
    (here / "report").write_bytes(b"new")
    with shared(0o1777) as folder:
        (folder / "report").symlink_to(home / "victim")
        os.lchown(folder / "report", OTHER, OTHER)
        with pytest.raises(RemoteError, match="another user made"):
            await files.put([str(here / "report")], str(folder))
    assert (home / "victim").read_bytes() == b"whole"


async def test_a_pattern_replaces_nothing_that_it_did_not_name(files: Files, home: Path, here: Path) -> None:
    for name in ("a.txt", "same.txt", "big.txt"):
        (home / name).write_bytes(b"theirs" if name != "big.txt" else BIG)
        (here / name).write_bytes(b"mine" if name != "big.txt" else BIG[:-1])
    (here / "same.txt").write_bytes(b"theirs")
    (home / "new.txt").write_bytes(b"theirs")
    done = await files.get(["*.txt"], str(here))
    assert sorted(done.skipped) == [
        f"{here}/{name}: is there already, and differs" for name in ("a.txt", "big.txt")
    ]
    assert tree(here) == {
        "a.txt": b"mine", "same.txt": b"theirs", "big.txt": BIG[:-1], "new.txt": b"theirs",
    }  # fmt: skip
    done = await files.get(["a.txt"], str(here))
    assert (here / "a.txt").read_bytes() == b"theirs"
    done = await files.get(["*.txt"], str(here), replace=True)
    assert (done.skipped, tree(here)) == ((), tree(home))


async def test_a_file_that_has_no_size_comes_whole(files: Files, here: Path) -> None:
    await files.get(["/proc/version"], str(here))
    assert (here / "version").read_text().startswith("Linux version ")


class Lies(LocalChannels):
    """A box whose program was replaced by one that sends what it wants."""

    def __init__(self, said: bytes, tmp_path: Path) -> None:
        self._path = tmp_path / "said"
        self._path.write_bytes(said)

    @asynccontextmanager
    async def pipes(self, command: str | None) -> AsyncGenerator[Pipes]:
        mark = re.search("gpubox-[0-9a-f]{12}", command or "")
        assert mark
        line = f"printf '\\n{mark[0]} HAVE\\n'; cat {shlex.quote(str(self._path))}; cat >&2"
        async with LocalChannels(LocalShell()).pipes(line) as pipes:
            yield pipes


def sent(name: str, body: bytes, *, size: int | None = None) -> bytes:
    head = {"roots": [name], "single": True, "files": 1, "bytes": 5, "there": 0, "skipped": []}
    declared = len(body) if size is None else size
    row = {"what": "file", "path": [name], "mode": 0o644, "size": declared, "ask": False}
    lines = "".join(json.dumps(one) + "\n" for one in ({"transfer": "x", **head}, row))
    frames = len(body).to_bytes(4, "big") + body + bytes(4)
    last = json.dumps({"sum": hashlib.sha256(body).hexdigest()}) + '\n{"what": "end", "skipped": []}\n'
    return lines.encode() + frames + last.encode()


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*", ".bashrc", False),
        ("?bashrc", ".bashrc", False),
        ("[.]bashrc", ".bashrc", False),
        ("*", "results", True),
        (".b*", ".bashrc", True),
        (".bashrc", ".bashrc", True),
        ("*", "..", False),
    ],
)
async def test_a_leading_dot_fits_only_a_pattern_with_one(
    files: Files, line: Line, home: Path, here: Path, tmp_path: Path, pattern: str, name: str, fits: bool
) -> None:
    line.channels.put(Lies(sent(name, b"evil\n"), tmp_path))
    if fits:
        await files.get([pattern], f"{here}/")
        assert tree(here) == {name: b"evil\n"}
        return
    with pytest.raises(RemoteError, match="Not what was asked for"):
        await files.get([pattern], f"{here}/")
    assert tree(here) == {}


async def test_a_box_that_sends_more_than_it_announced_is_cut_off(
    files: Files, line: Line, home: Path, here: Path, tmp_path: Path
) -> None:
    line.channels.put(Lies(sent("file", b"x" * 20_000, size=5), tmp_path))
    with pytest.raises(RemoteError, match="more than the 5 bytes"):
        await files.get(["file"], f"{here}/")
    assert tree(here) == {}


@pytest.mark.parametrize(
    "head", ["[" * 200_000, '{"files": Infinity, "bytes": 1}', '{"files": 1e999, "bytes": 1}']
)
async def test_a_line_that_no_end_would_send_is_reported_in_words(
    files: Files, line: Line, home: Path, here: Path, head: str, tmp_path: Path
) -> None:
    line.channels.put(Lies(f"{head}\n".encode(), tmp_path))
    with pytest.raises(RemoteError, match="Not understood"):
        await files.get(["file"], f"{here}/")
