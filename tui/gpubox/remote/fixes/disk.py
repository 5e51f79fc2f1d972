"""Durable changes of files: each file is whole, before or after, whenever the machine stops."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from typing import Iterator, List, NamedTuple, Optional

from gpubox.remote.fixes import programs
from gpubox.remote.fixes.asked import SIZE
from gpubox.remote.json_io import Refused
from gpubox.remote.kernel_files import rest

SELINUX = "/sys/fs/selinux/enforce"
"""Exists where files have labels of SELinux."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FileAccess(NamedTuple):
    """Who may do what with a file."""

    mode: int
    uid: int = -1
    """The owner; -1 is the user that runs this."""
    gid: int = -1


class OnDisk(NamedTuple):
    """What is at a path."""

    kind: str
    """`file`, `folder`, or "" for nothing."""
    access: FileAccess = FileAccess(0)
    data: Optional[bytes] = None
    """The content of a file that was read."""
    links: int = 1
    """How many names the file has."""

    @property
    def digest(self) -> str:
        """The sha256 of the content; "" without."""
        return "" if self.data is None else hashlib.sha256(self.data).hexdigest()


def at(path: str, *, read: bool = True) -> OnDisk:
    """Return what is at a path that is no link; refuses what is no text, or too large."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return OnDisk("")
    access = FileAccess(stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
    if stat.S_ISDIR(found.st_mode) and not read:
        return OnDisk("folder", access)
    if not stat.S_ISREG(found.st_mode):
        raise Refused("Not a plain file", "%s is %s" % (path, kind_of(found.st_mode)))
    if not read:
        return OnDisk("file", access, None, found.st_nlink)
    data = content(path)
    if len(data) > SIZE:
        raise Refused("Too large to change", "%s has more than 1 MB" % path, "Change it by hand")
    try:
        data.decode()
    except UnicodeDecodeError:
        raise Refused("Not a text file", "%s is not UTF-8" % path, "Change it by hand") from None
    return OnDisk("file", access, data, found.st_nlink)


def kind_of(mode: int) -> str:
    """Return what something is that is no plain file."""
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISLNK, "a link"), (stat.S_ISFIFO, "a pipe"))
    return next((words for fits, words in kinds if fits(mode)), "a socket or device")


def content(path: str) -> bytes:
    """Return a file of ours up to one byte more than SIZE; raises OSError."""
    handle = os.open(path, _READ)
    try:
        return rest(handle, SIZE + 1)
    finally:
        os.close(handle)


def write(path: str, data: bytes, access: FileAccess, temporary: str) -> None:
    """Replace a file, or make it; `temporary` is a path in the same folder. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    try:
        handle = os.open(temporary, _MAKE, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            made = os.fstat(handle)
            if access.uid not in (-1, made.st_uid) or access.gid not in (-1, made.st_gid):
                os.fchown(handle, access.uid, access.gid)
            copy_attributes(path, handle)
            os.fchmod(
                handle, access.mode
            )  # after the others: chown drops bits, and a list of access has its own
            os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync(os.path.dirname(path))
    label(path)


def copy_attributes(path: str, handle: int) -> None:
    """Give an open file the extended attributes of another, as far as the system lets us."""
    with contextlib.suppress(OSError, AttributeError):
        for name in os.listxattr(path, follow_symlinks=False):
            with contextlib.suppress(OSError):
                os.setxattr(handle, name, os.getxattr(path, name, follow_symlinks=False))


def label(path: str) -> None:
    """Give a file the label that SELinux expects at its place."""
    if os.path.exists(SELINUX):
        programs.run(["restorecon", path], 5.0)


def change_mode(path: str, mode: int) -> None:
    """Change the permission bits of a file or folder, durably where it can be opened. Raises OSError."""
    os.chmod(path, mode)
    with contextlib.suppress(OSError):
        sync(path)


def remove(path: str) -> None:
    """Remove a file, durably; one that is gone already is no error. Raises OSError."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)
        sync(os.path.dirname(path))


def sync(path: str) -> None:
    """Wait until a folder, or a file as it is, is on the disk. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # file systems that sync nothing
            raise
    finally:
        os.close(handle)


def missing_folders(path: str) -> List[str]:
    """Return the folders above a path that do not exist, outermost first."""
    return list(reversed(list(_missing(os.path.dirname(path)))))


def _missing(folder: str) -> Iterator[str]:
    while not os.path.lexists(folder):
        yield folder
        folder = os.path.dirname(folder)


def make_folder(path: str, mode: int) -> None:
    """Make a folder unless it exists, durably. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
        os.chmod(path, mode)  # whatever the umask is
    sync(os.path.dirname(path))
    label(path)


def trusted(path: str) -> None:
    """Refuse a path that somebody other than root could redirect.

    Each folder above it, and each link on the way, must belong to root, and no folder may be open to all.
    """
    real = os.path.realpath(path)
    for one in sorted({*prefixes(path), *prefixes(real)}):
        try:
            found = os.lstat(one)
        except OSError:
            continue
        plain = one in (path, real) and not stat.S_ISLNK(found.st_mode)
        if found.st_uid != 0 and not (plain and not os.lstat(os.path.dirname(one)).st_mode & stat.S_IWOTH):
            raise Refused(
                "Not changed as root",
                "%s belongs to user number %d, who could redirect the change" % (one, found.st_uid),
                "Make the change as that user, without root",
            )
        if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
            raise Refused(
                "Not changed as root",
                "%s is open to all users, who could redirect the change" % one,
                "Run `chmod o-w %s`" % one,
            )


def prefixes(path: str) -> List[str]:
    """Return a path and all folders above it."""
    found = [path]
    while found[-1] != "/":
        found.append(os.path.dirname(found[-1]))
    return found
