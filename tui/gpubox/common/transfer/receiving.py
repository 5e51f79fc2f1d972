"""Receives files and folders, and renames each into place; part of a large one stays for the next attempt.

The folder may be writable for others: nothing that they put there is followed, filled or replaced.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat

from gpubox.common.refusal import Refused
from gpubox.common.transfer.partial import adopt_longest, hold, open_partial
from gpubox.common.transfer.wire import (
    SAME,
    UNWANTED,
    Tally,
    TransferWire,
    digest_of,
    why,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

    Row = Dict[str, Any]


class Taker:
    """Receives files from the other end into a folder of this machine."""

    def __init__(
        self,
        wire: TransferWire,
        tally: Tally,
        allowed: Optional[Callable[[str], bool]] = None,
        replaces: Optional[Callable[[str], bool]] = None,
    ) -> None:
        """`allowed` decides which top-level names are accepted, `replaces` below which files are replaced.

        By default all are.
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
        """Receive everything into a folder, or to a single new name or existing file.

        Raises Refused and Closed. An obstacle to one file ends the whole transfer.
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
        """Set the target folder, and the new name of a single file or folder, if it gets one."""
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
                os.mkdir(target, mode | 0o700)  # otherwise nothing could be created in it
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
            if info.st_uid == os.geteuid():  # another user's folder may be readable for all
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
            adopt_longest(folder, stem, part)
        file, part = open_partial(folder, stem, part)
        try:
            hold(file)
            digest, at = self._begin(file, target, size, replace) if ask else (hashlib.sha256(), 0)
            if at < 0:
                self._tally.bytes += size
                self._tally.reused += size if at == SAME else 0
                if at == UNWANTED:
                    self._leave_out(target)
                os.unlink(part)
                return
            self._tally.bytes += at
            self._tally.reused += at
            end = self._fill(file, digest, at, size)
            if self._wire.line().get("sum") != digest.hexdigest():
                os.ftruncate(file, 0)
                text = "%s differs from what was sent" % name
                raise Refused("Damaged on the way", text, "Try again")
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
        """Agree on the start: return the digest of the bytes before it, and its offset or why to skip."""
        with open(file, "rb", buffering=0, closefd=False) as there:
            have = min(os.fstat(file).st_size, size)
            digest = digest_of(self._wire, there, have)
        same = ""
        with contextlib.suppress(OSError), open(target, "rb", buffering=0) as old:
            if os.fstat(old.fileno()).st_size == size:
                same = digest_of(self._wire, old, size).hexdigest()
        self._wire.say(have=have, sum=digest.hexdigest(), same=same, replace=replace)
        at = _whole(self._wire.line()["begin"], UNWANTED)
        if at not in ((SAME, 0, have) if replace else (SAME, UNWANTED)):
            raise Refused("Not understood", "The other end begins in the middle of a file")
        return (digest, at) if at == have else (hashlib.sha256(), at)

    def _fill(self, file: int, digest: Any, at: int, size: int) -> int:
        """Write received bytes from an offset on, and return the end; raises Refused for too many."""
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
    """Return a plain file name; raises Refused for a path."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\0" in name:
        raise Refused("Not what was asked for", "The other end sends a file without a proper name")
    return name


def _whole(value: object, least: int = 0) -> int:
    """Return a whole number in the range of file sizes; raises Refused: JSON has no bounds."""
    if type(value) is not int or not least <= value < 1 << 63:
        raise Refused("Not understood", "The other end sent a size that no file has")
    return value


def _words(error: OSError, target: str) -> Tuple[str, str, str]:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "Make room and try again: what came over is kept and not sent again"
        return "The disk is full", "%s: %s" % (target, why(error)), hint
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "Not allowed", "%s: %s" % (target, why(error)), ""
    return "Cannot be written", "%s: %s" % (target, why(error)), ""


def _check_link(path: str) -> None:
    """Raise Refused for another user's link where others may write, as protected_symlinks does."""
    folder = os.stat(os.path.dirname(path) or ".")
    if folder.st_mode & 0o022 and os.lstat(path).st_uid not in (os.geteuid(), 0, folder.st_uid):
        hint = "Name the file that it leads to"
        raise Refused("Another user's link", "%s is a link that another user made" % path, hint)


def _equal(file: int, path: str) -> bool:
    """Return whether a small file has the bytes of another one."""
    size = os.fstat(file).st_size
    with open(path, "rb") as other:
        return other.read(size + 1) == os.pread(file, size + 1, 0)
