"""Sends and takes files, at both ends of the link: JSON lines, and frames of bytes, over two pipes.

One end sends and the other takes. A large file is asked for first: what lies there of it already is not sent
again, once both ends found its beginning to be the same. Every file is written beside its target, compared
by its SHA-256, and put in place by a rename, so that nobody ever sees a half of it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
import re
import select
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

    Row = Dict[str, Any]
    Parts = Tuple[str, ...]

    class Item(NamedTuple):
        """A file or folder to send: the names that lead to it, where it is, and its mode and size."""

        parts: Parts
        path: str
        mode: int
        size: int
else:
    from collections import namedtuple

    Item = namedtuple("Item", "parts path mode size")

FRAME = 1 << 20
"""Bytes sent at a time."""
ASK = 1 << 20
"""Size from which a file is asked for before it is sent."""
AHEAD = 64
"""Small files that may be on the way before the first is acknowledged."""
TOGETHER = 1 << 16
"""Bytes that are sent together rather than each for itself."""
LINE = 64 << 20
"""Bytes that a line may have: the list of what is there already may be long."""
_END, _FAILED = 0, 0xFFFFFFFF
_SAME, _UNWANTED = -1, -2
"""In place of the byte where a file begins: why none of it is sent."""
_PART = re.compile(r"\.gpubox-[0-9a-f]{16}\.[0-9a-z]{1,32}\.part")


class Refused(Exception):
    """What was wished cannot be done, in words."""

    def __init__(self, title: str, text: str = "", hint: str = "") -> None:
        super().__init__(title, text, hint)
        self.title, self.text, self.hint = title, text, hint


class Closed(Exception):
    """The other end is gone."""


class Tally:
    """What was done so far, for whoever shows it."""

    def __init__(self) -> None:
        self.name = ""
        self.files = self.bytes = 0
        """Files done, and bytes of all files that are there."""
        self.all_files = self.all_bytes = 0
        self.kept = 0
        """Bytes of those that did not have to be sent."""
        self.skipped: List[str] = []
        """What is neither a file nor a folder, or could not be read, in words."""
        self.done: Set[Parts] = set()


class Wire:
    """Lines and bytes both ways; here over stdin and stdout of this process."""

    def __init__(self) -> None:
        self._held = memoryview(b"")
        self._out: List[bytes] = []
        self._size = 0

    def pull(self) -> bytes:
        """Return what came, or b"" at the end."""
        return os.read(0, FRAME)

    def push(self, data: bytes) -> None:
        """Send all of it, small pieces together; they are on their way when an answer is waited for."""
        self._out.append(data)
        self._size += len(data)
        if self._size >= TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Send what waits for more."""
        if self._out:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out, self._size = [], 0
            self.transmit(data)

    def transmit(self, data: bytes) -> None:
        """Send bytes now."""
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]

    def waiting(self) -> bool:
        """Say whether something can be read at once."""
        return bool(self._held) or bool(select.select([0], [], [], 0)[0])

    def check(self) -> None:
        """Raise when nobody wants this any more; asked while files are read for long."""

    def say(self, **words: object) -> None:
        """Send a line."""
        self.push(json.dumps(words).encode() + b"\n")

    def line(self) -> Row:
        """Return the next line; raises Closed at the end, and Refused for what the other end could not do."""
        try:
            row = json.loads(self._line().decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise Refused("Not understood", "The other end sent something else than files")
        error = row.get("error")
        if isinstance(error, dict):
            raise Refused(*(str(error.get(name, "")) for name in ("title", "text", "hint")))
        return row

    def _line(self) -> bytes:
        found: List[bytes] = []
        size = 0
        while not found or not found[-1].endswith(b"\n"):
            if size > LINE:
                raise Refused("Not understood", "The other end sent an endless line")
            held = self._held if self._held else memoryview(self._more())
            end = bytes(held[:4096]).find(b"\n") + 1 or bytes(held).find(b"\n") + 1 or len(held)
            found.append(bytes(held[:end]))
            self._held = held[end:]
            size += end
        return b"".join(found)

    def _more(self) -> bytes:
        self.flush()
        data = self.pull()
        if not data:
            raise Closed
        return data

    def pieces(self) -> Iterator[memoryview]:
        """Return the bytes of one file as they come; raises Refused when the sender could not go on."""
        while True:
            left = int.from_bytes(b"".join(self._exactly(4)), "big")
            if left == _FAILED:
                self.line()
                raise Refused("Not understood", "The other end gave up without words")
            if left == _END:
                return
            yield from self._exactly(left)

    def _exactly(self, left: int) -> Iterator[memoryview]:
        while left:
            held = self._held if self._held else memoryview(self._more())
            self._held = held[left:]
            yield held[:left]
            left -= min(left, len(held))


def frame(data: bytes) -> bytes:
    """Return bytes as one frame."""
    return len(data).to_bytes(4, "big") + data


def why(error: OSError) -> str:
    """Return what the system says."""
    return error.strerror or type(error).__name__


# --- what there is to send


def found(paths: Sequence[str]) -> List[Tuple[str, str]]:
    """Return the name and place of what people wrote: paths and patterns, from the home folder on."""
    tops: List[Tuple[str, str]] = []
    for path in paths:
        whole = absolute(path)
        if os.path.lexists(whole):
            fitting = [whole]
        else:
            fitting = sorted(glob.glob(whole)) if glob.has_magic(whole) else []
        if not fitting:
            raise Refused("No such file", "There is no %s" % path)
        tops += [(os.path.basename(one.rstrip("/")), one) for one in fitting]
    names = [name for name, _ in tops]
    for name in names:
        if names.count(name) > 1:
            raise Refused("Two of one name", "More than one is called %s" % name, "Copy them one by one")
    return tops


def absolute(path: str) -> str:
    """Return a path of the box as people write it, with ~ and from the home folder on."""
    return os.path.join(os.path.expanduser("~"), os.path.expanduser(path))


def items(tops: Sequence[Tuple[str, str]], tally: Tally) -> List[Item]:
    """Return all that is to be sent, folders before what is in them; what cannot be is told in `tally`."""
    left = [((name,), path) for name, path in reversed(tops)]
    all_items: List[Item] = []
    while left:
        parts, path = left.pop()
        try:
            info = os.stat(path)
            if stat.S_ISREG(info.st_mode):
                all_items.append(Item(parts, path, stat.S_IMODE(info.st_mode), info.st_size))
            elif not stat.S_ISDIR(info.st_mode):
                tally.skipped.append("%s: neither a file nor a folder" % path)
            elif len(parts) > 1 and os.path.islink(path):
                tally.skipped.append("%s: a link to a folder" % path)  # it may lead round in a circle
            else:
                names = [name for name in sorted(os.listdir(path)) if not _PART.fullmatch(name)]
                all_items.append(Item(parts, path, stat.S_IMODE(info.st_mode), -1))
                left += [((*parts, name), os.path.join(path, name)) for name in reversed(names)]
        except OSError as error:
            if len(parts) == 1:
                raise Refused("Cannot be read", "%s: %s" % (path, why(error))) from None
            tally.skipped.append("%s: %s" % (path, why(error)))
    return all_items


# --- sending


def send(wire: Wire, tops: Sequence[Tuple[str, str]], tally: Tally, transfer: str) -> None:
    """Send files and folders and wait until the other end has them; what `tally` has as done is left out.

    `transfer` is a word of its own for each wish of a person: half a file of the same one may be gone on
    with by whoever comes first. Raises Refused and Closed.
    """
    tally.skipped.clear()
    all_items = items(tops, tally)
    tally.all_files = sum(item.size >= 0 for item in all_items)
    tally.all_bytes = sum(max(0, item.size) for item in all_items)
    tally.bytes = sum(item.size for item in all_items if item.size > 0 and item.parts in tally.done)
    wire.say(
        roots=[name for name, _ in tops],
        single=len(all_items) == 1 and all_items[0].size >= 0,
        files=tally.all_files,
        bytes=tally.all_bytes,
        there=tally.bytes,
        skipped=tally.skipped,
        transfer=transfer,
    )
    wire.line()  # it has found where to put them
    open_ones: List[Item] = []
    for item in all_items:
        if item.parts not in tally.done:
            _settle(wire, open_ones, tally, AHEAD)
            if _send_one(wire, item, open_ones, tally):
                open_ones.append(item)
    wire.say(what="end", skipped=tally.skipped)
    _settle(wire, open_ones, tally, 0)
    wire.line()


def _settle(wire: Wire, open_ones: List[Item], tally: Tally, most: int) -> None:
    """Take what the other end says of files that were sent, until at most so many are left without a word."""
    while open_ones and (len(open_ones) > most or wire.waiting()):
        wire.line()
        item = open_ones.pop(0)
        tally.done.add(item.parts)
        tally.files += item.size >= 0


def _send_one(wire: Wire, item: Item, open_ones: List[Item], tally: Tally) -> bool:
    """Send a file or a folder; returns whether the other end will say a word of it."""
    if item.size < 0:
        wire.say(what="folder", path=item.parts, mode=item.mode)
        return True
    try:
        file = open(item.path, "rb", buffering=0)  # noqa: SIM115 - closed below
    except OSError as error:
        if len(item.parts) == 1:
            raise Refused("Cannot be read", "%s: %s" % (item.path, why(error))) from None
        tally.skipped.append("%s: %s" % (item.path, why(error)))
        return False
    with file:
        tally.name = item.parts[-1]
        try:
            # What is declared now is what is sent: a log grows, and files of /proc have a size of 0.
            size = os.fstat(file.fileno()).st_size or len(_head(file))
            file.seek(0)
        except OSError as error:
            if len(item.parts) == 1:
                raise Refused("Cannot be read", "%s: %s" % (item.path, why(error))) from None
            tally.skipped.append("%s: %s" % (item.path, why(error)))
            return False
        ask = size >= ASK
        wire.say(what="file", path=item.parts, mode=item.mode, size=size, ask=ask)
        digest = hashlib.sha256()
        at = 0
        if ask:
            _settle(wire, open_ones, tally, 0)
            digest, at = _offered(wire, file, wire.line(), size)
            wire.say(begin=at)
            if at < 0:
                tally.bytes += item.size
                tally.kept += item.size if at == _SAME else 0
                return True
            tally.bytes += at
            tally.kept += at
        try:
            _pour(wire, file, digest, size - at, open_ones, tally)
        except OSError as error:
            wire.push(_FAILED.to_bytes(4, "big"))  # the words come right behind it
            raise Refused("Cannot be read", "%s: %s" % (item.path, why(error))) from None
        wire.say(sum=digest.hexdigest())
    return True


def _head(file: Any) -> bytes:
    """Return the first ASK bytes of a file, or all of it."""
    data = b""
    while len(data) < ASK:
        piece = file.read(ASK - len(data))
        if not piece:
            break
        data += piece
    return data


def _offered(wire: Wire, file: Any, offer: Row, size: int) -> Tuple[Any, int]:
    """Return the digest of what need not be sent and where to begin.

    _SAME when all of it is there; _UNWANTED when it differs and the other end replaces nothing.
    """
    have, of_have, of_all = offer.get("have"), offer.get("sum"), offer.get("same")
    if of_all and _digest(wire, file, size).hexdigest() == of_all:
        return hashlib.sha256(), _SAME
    if offer.get("replace") is False:
        return hashlib.sha256(), _UNWANTED
    if isinstance(have, int) and 0 < have <= size:
        digest = _digest(wire, file, have)
        if digest.hexdigest() == of_have:
            return digest, have
    file.seek(0)
    return hashlib.sha256(), 0


def _digest(wire: Wire, file: Any, size: int) -> Any:
    """Return the digest of the first bytes of a file, which is left right behind them."""
    digest = hashlib.sha256()
    file.seek(0)
    while size > 0:
        wire.check()
        data = file.read(min(FRAME, size))
        if not data:
            break
        digest.update(data)
        size -= len(data)
    return digest


def _pour(wire: Wire, file: Any, digest: Any, left: int, open_ones: List[Item], tally: Tally) -> None:
    while left > 0:
        data = file.read(min(FRAME, left))
        if not data:
            break
        left -= len(data)
        digest.update(data)
        wire.push(frame(data))
        tally.bytes += len(data)
        if wire.waiting():
            # Of this file nothing is said before its end but that it failed, which `line` raises.
            if open_ones:
                _settle(wire, open_ones, tally, len(open_ones) - 1)
            else:
                wire.line()
    wire.push(_END.to_bytes(4, "big"))


# --- taking


class Taker:
    """Takes what the other end sends and puts it into a folder of this machine."""

    def __init__(
        self,
        wire: Wire,
        tally: Tally,
        allowed: Optional[Callable[[str], bool]] = None,
        replaces: Optional[Callable[[str], bool]] = None,
    ) -> None:
        """`allowed` says which names at the top may come, `replaces` below which of them files are replaced.

        Without one of them it is all names.
        """
        self._wire = wire
        self._tally = tally
        self._allowed = allowed
        self._replaces = replaces
        self._left_out: List[str] = []
        self._base = self._rename = ""
        self._roots: Sequence[str] = ()
        self._transfer = "0"
        umask = os.umask(0o077)
        os.umask(umask)
        self._umask = umask

    def take(self, to: str) -> None:
        """Take all there is, to a folder, or to one name that is not there yet or is a file.

        Raises Refused and Closed. What is in the way of one file ends the whole.
        """
        head = self._wire.line()
        self._tally.all_files, self._tally.all_bytes = _whole(head["files"]), _whole(head["bytes"])
        self._tally.bytes = _whole(head["there"])
        self._tally.skipped[:] = [str(text) for text in head["skipped"]]
        self._transfer = re.sub("[^0-9a-z]", "", str(head["transfer"]))[:32] or "0"
        self._roots = [_plain(name) for name in head["roots"]]
        if self._allowed is not None and not all(map(self._allowed, self._roots)):
            raise Refused("Not what was asked for", "The box sends a file of another name")
        self._place(to, bool(head["single"]))
        self._wire.say(ready=True)
        while True:
            row = self._wire.line()
            if row.get("what") == "end":
                self._tally.skipped[:] = [str(text) for text in row["skipped"]] + self._left_out
                self._wire.say(ended=True)
                return
            try:
                self._one(row)
            except OSError as error:
                raise Refused(*_words(error, self._target(row))) from None
            self._wire.say(ok=True)

    def _place(self, to: str, single: bool) -> None:
        """Find out into which folder things go, and whether the one thing gets another name."""
        wants_folder = to.endswith("/") or len(self._roots) > 1
        try:
            if wants_folder and not os.path.isdir(to):
                os.mkdir(to)
        except OSError as error:
            raise Refused("No such folder", "%s: %s" % (to, why(error))) from None
        if os.path.isdir(to):
            self._base = to
            return
        self._base, self._rename = os.path.split(to)
        if not os.path.isdir(self._base or "."):
            raise Refused("No such folder", "There is no folder %s" % self._base, "Make it first")
        if not single and os.path.lexists(to):
            raise Refused("In the way", "%s is a file, and a folder is to be put there" % to)

    def _target(self, row: Row) -> str:
        parts = [_plain(part) for part in row["path"]]
        if not parts or parts[0] not in self._roots:
            raise Refused("Not what was asked for", "The other end sends a file of another name")
        if self._rename:
            parts[0] = self._rename
        return os.path.join(self._base, *parts)

    def _one(self, row: Row) -> None:
        target = self._target(row)
        mode = _whole(row["mode"]) & 0o777 & ~self._umask
        if row["what"] == "folder":
            if not os.path.isdir(target):
                os.mkdir(target, mode | 0o700)  # else nothing could be put into it
            return
        if os.path.islink(target) and os.path.exists(target):
            _check_link(target)
            target = os.path.realpath(target)  # as cp and scp do
        replace = True
        with contextlib.suppress(FileNotFoundError):
            info = os.stat(target)
            if not stat.S_ISREG(info.st_mode):
                raise OSError(
                    errno.EISDIR if stat.S_ISDIR(info.st_mode) else errno.EEXIST, "is no plain file"
                )
            if info.st_uid == os.geteuid():  # another user's may be one that all can read
                mode = stat.S_IMODE(info.st_mode) & 0o777
            replace = bool(self._rename) or self._replaces is None or self._replaces(row["path"][0])
        self._tally.name = os.path.basename(target)
        self._file(target, mode, _whole(row["size"]), bool(row["ask"]), replace)
        self._tally.files += 1
        self._tally.done.add(tuple(row["path"]))

    def _file(self, target: str, mode: int, size: int, ask: bool, replace: bool) -> None:
        folder, name = os.path.split(target)
        stem = ".gpubox-%s." % hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
        part = os.path.join(folder, "%s%s.part" % (stem, self._transfer))
        if ask:
            _adopt(folder, stem, part)
        file, part = _opened(folder, stem, part)
        try:
            _hold(file)
            digest, at = self._begin(file, target, size, replace) if ask else (hashlib.sha256(), 0)
            if at < 0:
                self._tally.bytes += size
                self._tally.kept += size if at == _SAME else 0
                if at == _UNWANTED:
                    self._leave_out(target)
                os.unlink(part)
                return
            self._tally.bytes += at
            self._tally.kept += at
            end = self._fill(file, digest, at, size)
            if self._wire.line().get("sum") != digest.hexdigest():
                os.ftruncate(file, 0)
                raise Refused("Damaged on the way", "%s differs from what was sent" % name, "Try again")
            os.ftruncate(file, end)
            if not replace:
                if not _equal(file, target):
                    self._leave_out(target)
                os.unlink(part)
                return
            os.fchmod(file, mode)
            if ask:
                os.fsync(file)
            os.rename(part, target)
        except BaseException:
            if not ask:
                with contextlib.suppress(OSError):
                    os.unlink(part)
            raise
        finally:
            os.close(file)

    def _leave_out(self, target: str) -> None:
        self._left_out.append("%s: is there already, and differs" % target)

    def _begin(self, file: int, target: str, size: int, replace: bool) -> Tuple[Any, int]:
        """Agree on where to begin: returns the digest of what is before it, and the byte; or why not."""
        with open(file, "rb", buffering=0, closefd=False) as there:
            have = min(os.fstat(file).st_size, size)
            digest = _digest(self._wire, there, have)
        same = ""
        with contextlib.suppress(OSError), open(target, "rb", buffering=0) as old:
            if os.fstat(old.fileno()).st_size == size:
                same = _digest(self._wire, old, size).hexdigest()
        self._wire.say(have=have, sum=digest.hexdigest(), same=same, replace=replace)
        at = _whole(self._wire.line()["begin"], _UNWANTED)
        if at not in ((_SAME, 0, have) if replace else (_SAME, _UNWANTED)):
            raise Refused("Not understood", "The other end begins in the middle of a file")
        return (digest, at) if at == have else (hashlib.sha256(), at)

    def _fill(self, file: int, digest: Any, at: int, size: int) -> int:
        """Write what comes from a byte on; returns where it ended. Raises Refused for more than `size`."""
        for piece in self._wire.pieces():
            if at + len(piece) > size:
                text = "The other end sends more than the %d bytes that it announced" % size
                raise Refused("Not what was asked for", text)
            digest.update(piece)
            view = piece
            while view:
                written = os.pwrite(file, view, at)
                at += written
                view = view[written:]
            self._tally.bytes += len(piece)
        return at


def _plain(name: object) -> str:
    """Return a name that leads nowhere else; raises Refused."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\0" in name:
        raise Refused("Not what was asked for", "The other end sends a file without a proper name")
    return name


def _whole(value: object, least: int = 0) -> int:
    """Return a whole number that a disk can have; raises Refused: JSON has no bounds."""
    if type(value) is not int or not least <= value < 1 << 63:
        raise Refused("Not understood", "The other end sent a size that no file has")
    return value


def _hold(file: int) -> None:
    """Mark a half file as being written; one of the same transfer may be so by what a lost link left."""
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _opened(folder: str, stem: str, part: str) -> Tuple[int, str]:
    """Open the half file of this transfer, or a new one, and return it with its path.

    In a folder where others may write, one of them may have put something of that name there beforehand.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    with contextlib.suppress(FileExistsError):
        return os.open(part, flags | os.O_CREAT | os.O_EXCL, 0o600), part
    with contextlib.suppress(OSError):
        file = os.open(part, flags | os.O_NONBLOCK)
        if _ours(file):
            return file, part
        os.close(file)
    part = os.path.join(folder, "%s%s.part" % (stem, os.urandom(8).hex()))
    return os.open(part, flags | os.O_CREAT | os.O_EXCL, 0o600), part


def _ours(file: int) -> bool:
    """Say whether a half file is one that nobody else could make, reach by another name, or have open."""
    info = os.fstat(file)
    plain = stat.S_ISREG(info.st_mode) and stat.S_IMODE(info.st_mode) == 0o600
    return plain and info.st_uid == os.geteuid() and info.st_nlink == 1


def _check_link(path: str) -> None:
    """Raise Refused for another user's link where others may write, as with Linux's protected_symlinks."""
    folder = os.stat(os.path.dirname(path) or ".")
    if folder.st_mode & 0o022 and os.lstat(path).st_uid not in (os.geteuid(), 0, folder.st_uid):
        hint = "Name the file that it leads to"
        raise Refused("Another user's link", "%s is a link that another user made" % path, hint)


def _equal(file: int, path: str) -> bool:
    """Say whether a small file has the bytes of another one."""
    size = os.fstat(file).st_size
    with open(path, "rb") as other:
        return other.read(size + 1) == os.pread(file, size + 1, 0)


def _adopt(folder: str, stem: str, part: str) -> None:
    """Make the longest half of this file that nobody writes any more into ours, and remove the others."""
    if os.path.lexists(part):
        return
    halves: List[Tuple[int, str]] = []
    with contextlib.suppress(OSError):
        for name in os.listdir(folder or "."):
            if name.startswith(stem) and _PART.fullmatch(name):
                path = os.path.join(folder, name)
                halves.append((os.lstat(path).st_size, path))
    for _, path in sorted(halves, reverse=True):
        with contextlib.suppress(OSError):
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if not _ours(file):
                    continue
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.lexists(part):
                    os.unlink(path)
                else:
                    os.rename(path, part)
            finally:
                os.close(file)


def _words(error: OSError, target: str) -> Tuple[str, str, str]:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "Make room and try again: what came over is kept and not sent again"
        return "The disk is full", "%s: %s" % (target, why(error)), hint
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "Not allowed", "%s: %s" % (target, why(error)), ""
    return "Cannot be written", "%s: %s" % (target, why(error)), ""


# --- as a program of the box


def serve(wire: Wire) -> None:
    """Do what the first line wishes: `get` paths, or `put` to a place."""
    asked = wire.line()
    tally = Tally()
    if asked.get("verb") == "get":
        tally.done = {tuple(parts) for parts in asked["done"]}
        send(wire, found(asked["paths"]), tally, str(asked["transfer"]))
    elif asked.get("verb") == "put":
        Taker(wire, tally).take(absolute(asked["to"]))
    else:
        raise Refused("Not understood", "The wish is neither get nor put")


def main() -> int:
    """Serve one wish; returns the exit code."""
    wire = Wire()
    try:
        serve(wire)
        wire.flush()
        return 0
    except (Closed, BrokenPipeError):
        return 1
    except Refused as refused:
        error = {"title": refused.title, "text": refused.text, "hint": refused.hint}
    except (OSError, ValueError, OverflowError, KeyError, TypeError) as failure:
        error = {"title": "Files failed on the box", "text": "%s: %s" % (type(failure).__name__, failure)}
    with contextlib.suppress(OSError):
        wire.say(error=error)
        wire.flush()
        while wire.waiting() and wire.pull():  # what is on its way would end this in a reset
            pass
    return 1


if __name__ == "__main__":
    sys.exit(main())
