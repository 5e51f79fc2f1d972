"""What an illegal instruction was: read where the core file says, named by the CPU feature that it wants.

Knows the 64-bit x86 processors; says of others that it is not known. Needs nothing of ours.
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

    Rule = Tuple[int, Optional[int], str, str]

HEADER = 56
"""Bytes of a program header of a 64-bit file."""
PROCESS_STATUS, PROCESS_INFO, MAPPED_FILES = 1, 3, 0x46494C45
"""Kinds of notes in a core file."""
TRAP = "ud2"
"""What stands for an instruction that is meant to fail."""

PREFIXES = frozenset(b"\x66\xf2\xf3\x2e\x36\x3e\x26\x64\x65\x67\xf0")
LEVELS = (("avx", "AVX"), ("avx2", "AVX2"), ("fma", "FMA"), ("avx512f", "AVX-512"))
"""What programs are built for most often, by the kernel's name."""


def _range(words: str) -> FrozenSet[int]:
    """Return the numbers of `60-6D 70`."""
    found: List[int] = []
    for word in words.split():
        first, _, last = word.partition("-")
        found += range(int(first, 16), int(last or first, 16) + 1)
    return frozenset(found)


# Opcodes by map (1: 0F, 2: 0F 38, 3: 0F 3A), after the kernel's own list of them and Intel's manual.
# The prefix is 0, 1 (66), 2 (F3) or 3 (F2); -1 stands for any.
WIDE_INTEGERS = {
    1: _range("60-6D 70-76 D1-D5 D7-E5 E8-EF F1-F6 F8-FE"),
    2: _range("00-0B 1C-1E 20-25 28-29 2B 30-35 37-40"),
    3: _range("0E-0F 42 4C"),
}
"""Integer instructions on 256 bits came with AVX2; on 128 bits they are AVX."""
VEX: Sequence[Tuple[int, int, str, str, str]] = (
    (2, 1, "96-9F A6-AF B6-BF", "FMA", "fma"),
    (2, 1, "13", "F16C", "f16c"),
    (3, 1, "1D", "F16C", "f16c"),
    (2, 0, "F2-F3 F7", "BMI1", "bmi1"),
    (2, -1, "F5-F7", "BMI2", "bmi2"),
    (3, 3, "F0", "BMI2", "bmi2"),
    (2, -1, "49 4B 5C 5E", "AMX", "amx_tile"),
    (2, 1, "50-53", "AVX-VNNI", "avx_vnni"),
    (2, 1, "16 36 45-47 58-5A 78-79 8C 8E 90-93", "AVX2", "avx2"),
    (3, 1, "00-02 38-39 46", "AVX2", "avx2"),
    (2, 1, "CF", "GFNI", "gfni"),
    (3, 1, "CE-CF", "GFNI", "gfni"),
)
EVEX: Sequence[Tuple[int, int, str, str, str]] = (
    (5, -1, "00-FF", "AVX-512 FP16", "avx512_fp16"),
    (6, -1, "00-FF", "AVX-512 FP16", "avx512_fp16"),
    (2, 2, "52 72", "AVX-512 BF16", "avx512_bf16"),
    (2, 3, "72", "AVX-512 BF16", "avx512_bf16"),
    (2, 3, "68", "AVX-512 VP2INTERSECT", "avx512_vp2intersect"),
    (2, 1, "50-53", "AVX-512 VNNI", "avx512_vnni"),
    (2, 1, "B4-B5", "AVX-512 IFMA", "avx512ifma"),
    (2, 1, "75 7D 83 8D", "AVX-512 VBMI", "avx512vbmi"),
    (2, 1, "70-73", "AVX-512 VBMI2", "avx512_vbmi2"),
    (3, 1, "70-73", "AVX-512 VBMI2", "avx512_vbmi2"),
    (2, 1, "54 8F", "AVX-512 BITALG", "avx512_bitalg"),
    (2, 1, "55", "AVX-512 VPOPCNTDQ", "avx512_vpopcntdq"),
)
PLAIN: Sequence[Tuple[int, int, str, str, str]] = (
    (1, 2, "B8", "POPCNT", "popcnt"),
    (1, 3, "F0", "SSE3", "pni"),
    (1, -1, "78-79", "SSE4a", "sse4a"),
    (2, 3, "F0-F1", "SSE4.2", "sse4_2"),
    (2, 0, "F0-F1", "MOVBE", "movbe"),
    (2, -1, "F6", "ADX", "adx"),
    (2, 1, "37", "SSE4.2", "sse4_2"),
    (2, 1, "10 14-15 17 20-25 28-2B 30-35 38-41", "SSE4.1", "sse4_1"),
    (2, -1, "00-0B 1C-1E", "SSSE3", "ssse3"),
    (2, 0, "C8-CD", "SHA", "sha_ni"),
    (2, 1, "CF", "GFNI", "gfni"),
    (2, 1, "DB-DF", "AES", "aes"),
    (3, 1, "60-63", "SSE4.2", "sse4_2"),
    (3, -1, "0F", "SSSE3", "ssse3"),
    (3, 1, "08-0E 14-17 20-22 40-42", "SSE4.1", "sse4_1"),
    (3, 1, "44", "PCLMULQDQ", "pclmulqdq"),
    (3, 0, "CC", "SHA", "sha_ni"),
    (3, 1, "CE-CF", "GFNI", "gfni"),
    (3, 1, "DF", "AES", "aes"),
)


def _listed(
    rules: Sequence[Tuple[int, int, str, str, str]], table: int, prefix: int, opcode: int
) -> Tuple[str, str]:
    for where, required, opcodes, name, flag in rules:
        if where == table and required in (-1, prefix) and opcode in _range(opcodes):
            return name, flag
    return "", ""


def _vector(code: bytes) -> Tuple[str, str]:
    """Return the feature of an instruction with a VEX prefix."""
    if code[0] == 0xC5:
        table, last, opcode = 1, code[1], code[2]
    else:
        table, last, opcode = code[1] & 31, code[2], code[3]
    prefix, wide = last & 3, bool(last & 4)
    found = _listed(VEX, table, prefix, opcode)
    if found[0]:
        return found
    if wide and prefix == 1 and opcode in WIDE_INTEGERS.get(table, ()):
        return "AVX2", "avx2"
    return "AVX", "avx"


def _after_0f(code: bytes, prefix: int) -> Tuple[str, str]:
    if code[1] == 0x0B:
        return TRAP, ""
    if code[1] in (0x38, 0x3A):
        return _listed(PLAIN, 2 if code[1] == 0x38 else 3, prefix, code[2])
    if code[1] == 0xC7 and code[2] >> 6 == 3:
        return {6: ("RDRAND", "rdrand"), 7: ("RDSEED", "rdseed")}.get(code[2] >> 3 & 7, ("", ""))
    return _listed(PLAIN, 1, prefix, code[1])


def feature(code: bytes) -> Tuple[str, str]:
    """Return the CPU feature that the instruction at the beginning of `code` wants, and the kernel's flag.

    TRAP for ud2, which is made to fail; nothing when it is unknown.
    """
    code = code[:15] + b"\0" * 15
    place = prefix = 0
    while code[place] in PREFIXES:
        prefix = {0x66: prefix or 1, 0xF3: 2, 0xF2: 3}.get(code[place], prefix)
        place += 1
    if 0x40 <= code[place] < 0x50:
        place += 1
    rest = code[place:]
    if rest[0] == 0x62:
        found = _listed(EVEX, rest[1] & 7, rest[2] & 3, rest[4])
        return found if found[0] else ("AVX-512", "avx512f")
    if rest[0] in (0xC4, 0xC5):
        return _vector(rest)
    if rest[0] == 0x8F and rest[1] & 31 >= 8:
        return "XOP", "xop"
    if rest[0] == 0xD5:
        return "APX", "apx"
    return _after_0f(rest, prefix) if rest[0] == 0x0F else ("", "")


class Core:
    """A core file of a 64-bit x86 program; raises ValueError or OSError for any other file."""

    def __init__(self, path: str) -> None:
        self.pid = 0
        self.address = 0
        """Where the thread stood that the signal hit."""
        self.maps: List[Tuple[int, int, int, str]] = []
        """Beginning, end, place in the file and name of each file that was mapped."""
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
                (self.address,) = struct.unpack_from("<Q", body, 240)  # the first is the thread that was hit
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
        """Return the file that the instruction came from; empty when it came from none."""
        fit = (name for begin, end, _, name in self.maps if begin <= self.address < end)
        return next(fit, "")

    def code(self) -> bytes:
        """Return the bytes at the instruction: of the core, or of the file, whose code is mostly left out."""
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
    """Return in words what the CPU refused; `core` may be empty, and `flags` are this CPU's by default."""
    known = _flags() if flags is None else flags
    name = flag = place = ""
    with contextlib.suppress(OSError, ValueError, struct.error):
        if core:
            found = Core(core)
            name, flag = feature(found.code())
            place = os.path.basename(found.file())
    where = " in %s" % place if place else ""
    if name == TRAP:
        return (
            "It ran into ud2%s, which compilers put where a program must not come: no CPU feature is missing"
            % where
        )
    if name and flag and flag not in known:
        return "It ran an instruction of %s%s, which this CPU does not have" % (name, where)
    if name:
        return "It ran an instruction of %s%s, which this CPU should have; the system may have it off" % (
            name,
            where,
        )
    if not known or platform.machine() not in ("x86_64", "amd64"):
        return "The CPU refused an instruction%s; which one is not known" % where
    lacks = [word for level, word in LEVELS if level not in known]
    has = "it lacks %s" % ", ".join(lacks) if lacks else "it has AVX, AVX2, FMA and AVX-512"
    words = "The CPU refused an instruction%s; which one is not known without a core file" % where
    return "%s. Of what programs are built for, %s" % (words, has)


def _pattern(text: str, pid: int) -> str:
    """Return the kernel's pattern for core files as one for glob; what we cannot know fits anything."""
    known: Dict[str, str] = {"%": "%", "u": str(os.getuid()), "h": glob.escape(os.uname().nodename)}
    if pid:
        known["p"] = str(pid)
    parts = text.split("%")
    # A doubled sign leaves an empty part between its two.
    out, rest = glob.escape(parts[0]), parts[1:]
    while rest:
        part = rest.pop(0)
        if not part and rest:
            out += "%" + glob.escape(rest.pop(0))
        elif part:
            out += known.get(part[0], "*") + glob.escape(part[1:])
    return out


def core_of(pid: int, cwd: str, since: float) -> Tuple[str, str]:
    """Return the core file of a process if it is there to be read, and where it lies in words.

    With pid 0 any that was written after `since`. A core without a pid in its name gets one: the next process
    that dumps core in that folder would overwrite it.
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
    """Return the name of a core with its process in it, which it gets where that can be."""
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
