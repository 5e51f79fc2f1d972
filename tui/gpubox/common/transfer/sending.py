"""Sends files and folders, and of each only the part that the other end lacks."""

from __future__ import annotations

import glob
import hashlib
import os
import stat

from gpubox.common.refusal import Refused
from gpubox.common.transfer.wire import (
    ASK,
    END,
    FAILED,
    FRAME,
    PART,
    SAME,
    UNWANTED,
    Tally,
    TransferWire,
    digest_of,
    frame,
    why,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

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

AHEAD = 64
"""Small files that may be on the way before the first is acknowledged."""


def found(paths: Sequence[str]) -> List[Tuple[str, str]]:
    """Return the names and places that paths and patterns match; relative ones start at the home folder."""
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
    """Return the absolute path of a typed one; `~` and relative paths start at the home folder."""
    return os.path.join(os.path.expanduser("~"), os.path.expanduser(path))


def items(tops: Sequence[Tuple[str, str]], tally: Tally) -> List[Item]:
    """Return everything to send, folders before their contents; the rest goes to `tally.skipped`."""
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
                tally.skipped.append("%s: a link to a folder" % path)  # it may be a loop
            else:
                names = [name for name in sorted(os.listdir(path)) if not PART.fullmatch(name)]
                all_items.append(Item(parts, path, stat.S_IMODE(info.st_mode), -1))
                left += [((*parts, name), os.path.join(path, name)) for name in reversed(names)]
        except OSError as error:
            if len(parts) == 1:
                raise Refused("Cannot be read", "%s: %s" % (path, why(error))) from None
            tally.skipped.append("%s: %s" % (path, why(error)))
    return all_items


def send(wire: TransferWire, tops: Sequence[Tuple[str, str]], tally: Tally, transfer: str) -> None:
    """Send files and folders and wait until the other end has them; those in `tally.done` are left out.

    `transfer` names the partial files of one request, which any later transfer of the same file may adopt.
    Raises Refused and Closed.
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


def _settle(wire: TransferWire, open_ones: List[Item], tally: Tally, most: int) -> None:
    """Receive acknowledgments of sent files until at most `most` are unacknowledged."""
    while open_ones and (len(open_ones) > most or wire.waiting()):
        wire.line()
        item = open_ones.pop(0)
        tally.done.add(item.parts)
        tally.files += item.size >= 0


def _send_one(wire: TransferWire, item: Item, open_ones: List[Item], tally: Tally) -> bool:
    """Send a file or a folder; return whether the other end will acknowledge it."""
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
            # Exactly the declared size is sent: a log grows, and files of /proc have a size of 0.
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
                tally.reused += item.size if at == SAME else 0
                return True
            tally.bytes += at
            tally.reused += at
        try:
            _pour(wire, file, digest, size - at, open_ones, tally)
        except OSError as error:
            wire.push(FAILED.to_bytes(4, "big"))  # the message follows
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


def _offered(wire: TransferWire, file: Any, offer: Row, size: int) -> Tuple[Any, int]:
    """Return the digest of the bytes that need not be sent, and the offset to start at.

    The offset is SAME when the other end has all of it, UNWANTED when it may not replace a different file.
    """
    have, of_have, of_all = offer.get("have"), offer.get("sum"), offer.get("same")
    if of_all and digest_of(wire, file, size).hexdigest() == of_all:
        return hashlib.sha256(), SAME
    if offer.get("replace") is False:
        return hashlib.sha256(), UNWANTED
    if isinstance(have, int) and 0 < have <= size:
        digest = digest_of(wire, file, have)
        if digest.hexdigest() == of_have:
            return digest, have
    file.seek(0)
    return hashlib.sha256(), 0


def _pour(wire: TransferWire, file: Any, digest: Any, left: int, open_ones: List[Item], tally: Tally) -> None:
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
    wire.push(END.to_bytes(4, "big"))
