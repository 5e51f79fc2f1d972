"""Explains an illegal instruction: reads it from the core file, and names the CPU feature that it needs.

Supports 64-bit x86 processors; on others the feature is unknown. Imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import glob
import os
import platform
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Dict, FrozenSet, Iterator, List, Optional, Sequence, Tuple

HEADER = 56
"""Bytes of a program header of a 64-bit file."""
PROCESS_STATUS, PROCESS_INFO, MAPPED_FILES = 1, 3, 0x46494C45
"""Kinds of notes in a core file."""
TRAP = b"\x0f\x0b"
"""The instruction ud2, which fails on purpose."""

PREFIXES = b"\x66\xf2\xf3\x2e\x36\x3e\x26\x64\x65\x67\xf0"
LEVELS = (("avx", "AVX"), ("avx2", "AVX2"), ("fma", "FMA"), ("avx512f", "AVX-512"))
"""Features that programs are most often built for, by the kernel's name."""


def features(code: bytes) -> Sequence[Tuple[str, str]]:
    """Return those of LEVELS that the first instruction of `code` may need."""
    rest = code.lstrip(PREFIXES)
    return {b"\x62": LEVELS[3:], b"\xc4": LEVELS[:3], b"\xc5": LEVELS[:3]}.get(rest[:1], ())


class Core:
    """A core file of a 64-bit x86 program; raises ValueError or OSError for any other file."""

    def __init__(self, path: str) -> None:
        self.pid = 0
        self.address = 0
        """The address of the instruction in the thread that got the signal."""
        self.maps: List[Tuple[int, int, int, str]] = []
        """Start, end, offset in the file and name of each mapped file."""
        self._loads: List[Tuple[int, int, int]] = []
        with open(path, "rb") as file:
            head = file.read(64)
            if (
                len(head) < 64
                or head[:6] != b"\x7fELF\x02\x01"
                or struct.unpack_from("<HH", head, 16) != (4, 62)
            ):
                raise ValueError("not a core file of x86-64")
            (table,) = struct.unpack_from("<Q", head, 32)
            size, count = struct.unpack_from("<HH", head, 54)
            if size != HEADER:
                raise ValueError("not a core file that a kernel wrote")
            file.seek(table)
            rows = file.read(size * count)
            for number in range(len(rows) // size):
                kind, _, offset, address, _, length, _, _ = struct.unpack_from(
                    "<IIQQQQQQ", rows, number * size
                )
                if kind == 4:
                    self._notes(file, offset, min(length, 1 << 24))
                elif kind == 1:
                    self._loads.append((address, address + length, offset))
        self._path = path

    def _notes(self, file: BinaryIO, offset: int, length: int) -> None:
        file.seek(offset)
        data = file.read(length)
        place = 0
        while place + 12 <= len(data):
            name, size, kind = struct.unpack_from("<III", data, place)
            place += 12 + (name + 3 & ~3)
            body = data[place : place + size]
            place += size + 3 & ~3
            if kind == PROCESS_STATUS and not self.address and len(body) >= 248:
                (self.address,) = struct.unpack_from("<Q", body, 240)  # the thread that got the signal
            elif kind == PROCESS_INFO and len(body) >= 28:
                (self.pid,) = struct.unpack_from("<i", body, 24)
            elif kind == MAPPED_FILES and len(body) >= 16:
                self._files(body)

    def _files(self, body: bytes) -> None:
        count, page = struct.unpack_from("<QQ", body, 0)
        names = body[16 + 24 * count :].split(b"\0")
        for number, name in zip(range(min(count, len(names))), names):
            begin, end, offset = struct.unpack_from("<QQQ", body, 16 + 24 * number)
            self.maps.append((begin, end, offset * page, os.fsdecode(name)))

    def file(self) -> str:
        """Return the file of the instruction; empty when it is in no file."""
        fit = (name for begin, end, _, name in self.maps if begin <= self.address < end)
        return next(fit, "")

    def code(self) -> bytes:
        """Return the bytes at the instruction, from the core or the file: cores mostly leave out code."""
        for path, begin, end, offset in self._places():
            if begin <= self.address < end:
                with contextlib.suppress(OSError), open(path, "rb") as file:
                    file.seek(offset + self.address - begin)
                    return file.read(min(15, end - self.address))
        return b""

    def _places(self) -> Iterator[Tuple[str, int, int, int]]:
        for begin, end, offset in self._loads:
            yield self._path, begin, end, offset
        for begin, end, offset, name in self.maps:
            yield name, begin, end, offset


def _flags() -> FrozenSet[str]:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", "rb") as file:
        for line in file:
            if line.startswith(b"flags"):
                return frozenset(line.decode("ascii", "replace").partition(":")[2].split())
    return frozenset()


def why(core: str, flags: Optional[FrozenSet[str]] = None) -> str:
    """Return in words what the CPU rejected; `core` may be empty, `flags` default to those of this CPU."""
    known = _flags() if flags is None else flags
    code, place = b"", ""
    with contextlib.suppress(OSError, ValueError, struct.error):
        if core:
            found = Core(core)
            code, place = found.code(), os.path.basename(found.file())
    where = " in %s" % place if place else ""
    if code.startswith(TRAP):
        return (
            "It ran into ud2%s, which compilers put where a program must not come: no CPU feature is missing"
            % where
        )
    fit = features(code)
    lacks = [word for flag, word in fit or LEVELS if flag not in known]
    if fit and lacks:
        return "It ran an instruction of %s%s, which this CPU does not have" % (" or ".join(lacks), where)
    if fit:
        return "The CPU refused a vector instruction%s: a newer one, or the system has it off" % where
    words = "The CPU refused an instruction%s; which one is not known" % where
    if not known or platform.machine() not in ("x86_64", "amd64"):
        return words
    has = "it lacks %s" % ", ".join(lacks) if lacks else "it has AVX, AVX2, FMA and AVX-512"
    return "%s. Of what programs are built for, %s" % (words, has)


def _pattern(text: str, pid: int) -> str:
    """Return the kernel's pattern for core files as a glob; unknown parts match anything."""
    known: Dict[str, str] = {"%": "%", "u": str(os.getuid()), "h": glob.escape(os.uname().nodename)}
    if pid:
        known["p"] = str(pid)
    parts = text.split("%")
    # A doubled sign leaves an empty part in between.
    out, rest = glob.escape(parts[0]), parts[1:]
    while rest:
        part = rest.pop(0)
        if not part and rest:
            out += "%" + glob.escape(rest.pop(0))
        elif part:
            out += known.get(part[0], "*") + glob.escape(part[1:])
    return out


def core_of(pid: int, cwd: str, since: float) -> Tuple[str, str]:
    """Return the core file of a process, if it is readable, and its location in words.

    Pid 0 means any core that was written after `since`. A core without a pid in its name gets one: otherwise
    the next core dump in that folder would overwrite it.
    """
    try:
        with open("/proc/sys/kernel/core_pattern", errors="replace") as file:
            text = file.read().strip()
        with open("/proc/sys/kernel/core_uses_pid") as file:
            if file.read().strip() == "1" and "%p" not in text:
                text += ".%p"
    except OSError:
        return "", ""
    if text.startswith("|"):
        program = text[1:].split(" ")[0]
        if "systemd-coredump" in program:
            return "", "coredumpctl info %s" % (pid or "")
        return "", "/var/crash (apport)" if "apport" in program else "given to %s" % program
    lost = ""
    for path in _newest(os.path.join(glob.escape(cwd), _pattern(text, pid)), since):
        try:
            dumped = Core(path).pid
        except (OSError, ValueError, struct.error):
            dumped = 0
        if not pid or not dumped or dumped == pid:
            path = _named(path, dumped or pid)
            return path, path
        lost = lost or "overwritten by that of process %d: %s" % (dumped, path)
    return "", lost


def _named(path: str, pid: int) -> str:
    """Return the name of a core after adding the pid, if it can be renamed."""
    own = "%s.%d" % (path, pid)
    if not pid or str(pid) in os.path.basename(path) or os.path.lexists(own):
        return path
    try:
        os.rename(path, own)
    except OSError:
        return path
    return own


def _newest(pattern: str, since: float) -> List[str]:
    found: List[Tuple[float, str]] = []
    for path in glob.glob(pattern):
        with contextlib.suppress(OSError):
            when = os.stat(path).st_mtime
            if when >= since - 1:
                found.append((when, path))
    return [path for _, path in sorted(found, reverse=True)]
