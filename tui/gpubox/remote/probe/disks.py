"""The disks of a machine and their usage; one that does not answer delays nothing."""

from __future__ import annotations

import errno
import os
import re
import threading

from gpubox.common.sample_format import COMMAND_LIMIT, NAME_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

    Row = Dict[str, object]


DISK_WAIT = 2.0
"""Seconds without an answer for which the last size of a disk is valid."""
NETWORK = re.compile(
    r"(?:nfs4?|lustre|beegfs\w*|virtiofs|cifs|smb3|ceph|gpfs|glusterfs|panfs|wekafs|pvfs2|fuse\.(?:sshfs|glusterfs"
    r"|ceph\S*|juicefs|s3fs|rclone|gcsfuse|mount-s3|blobfuse2?|mfs|lizardfs|quobyte\S*|cvmfs2?))$"
)
"""Types of network file systems."""
HIDDEN = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR)
"""Errors of file systems that are not this user's business."""


def mounts(text: str) -> list[tuple[str, str, str, bool]]:
    """Return device, mount point, type and read-only flag of real disks, then of network disks.

    `text` is /proc/self/mounts, in which bytes that are not UTF-8 are surrogates. Each device is listed once.
    """
    best: dict[str, tuple[str, str, str, bool]] = {}
    for line in text.split("\n"):
        words = line.split(" ")
        if len(words) < 4:
            continue
        device, mount, kind, options = (octal(word) for word in words[:4])
        local = device.startswith("/dev/") and not device.startswith(("/dev/loop", "/dev/fuse", "/dev/ram"))
        if not (local or kind == "zfs" or mount == "/" or NETWORK.match(kind)):
            continue
        if kind in ("squashfs", "iso9660", "udf", "devtmpfs"):
            continue
        key = mount if kind.startswith(("beegfs", "fuse.")) else device  # these may share a device name
        old = best.get(key)
        if old is None or len(mount) < len(old[1]):
            best[key] = (device, mount, kind, "ro" in options.split(","))
    return sorted(best.values(), key=lambda disk: (NETWORK.match(disk[2]) is not None, disk[1]))[:32]


def octal(text: str) -> str:
    r"""Return a mount's path with its \040 read as a space."""
    raw = text.encode("utf-8", "surrogateescape")
    raw = re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match.group(1), 8) & 255]), raw)
    return raw.decode("utf-8", "surrogateescape")


def figures(path: bytes) -> tuple[os.statvfs_result | None, str]:
    """Return the figures of a file system, or why there are none; no reason for a hidden one.

    This may block forever.
    """
    try:
        return os.statvfs(path), ""
    except OSError as error:
        return None, "" if error.errno in HIDDEN else os.strerror(error.errno or 0)


def size_of(found: os.statvfs_result) -> int:
    """Return the size of a file system in bytes; blocks reserved for root do not count, as in `df`."""
    return (found.f_blocks - found.f_bfree + found.f_bavail) * found.f_frsize


class Mount:
    """A disk that is measured in a thread of its own, because a dead one never answers."""

    def __init__(self, device: str, mount: str, kind: str, read_only: bool) -> None:
        self.path = mount.encode("utf-8", "surrogateescape")
        self.facts: Row = {
            "mount": mount[:COMMAND_LIMIT],
            "device": device[:NAME_LIMIT],
            "filesystem": kind[:NAME_LIMIT],
            "read_only": read_only,
        }
        self.answer: Row | None = {}
        """Its size, or why it has none; empty before the first answer, None for a hidden disk."""
        self.asked = 0.0
        self.thread: threading.Thread | None = None

    def waits(self) -> bool:
        """Return whether an answer is pending."""
        return self.thread is not None and self.thread.is_alive()

    def ask(self, now: float) -> None:
        """Request its size, unless an answer is pending."""
        if not self.waits():
            self.asked = now
            self.thread = threading.Thread(target=self.measure, name="disk", daemon=True)
            self.thread.start()

    def measure(self) -> None:
        """Read its size; this may block forever."""
        found, fault = figures(self.path)
        if found is None:
            self.answer = {"fault": fault} if fault else None
        elif found.f_blocks and os.path.isdir(self.path):
            used = (found.f_blocks - found.f_bfree) * found.f_frsize
            self.answer = {"used": used, "total": size_of(found)}
        else:
            self.answer = None

    def row(self, now: float) -> Row | None:
        """Return its row for the wire, or None for a hidden disk."""
        answer = self.answer
        if self.waits() and (answer == {} or now - self.asked > DISK_WAIT):
            return dict(self.facts, **(answer or {}), hangs=round(max(0.0, now - self.asked), 1))
        return dict(self.facts, **answer) if answer else None
