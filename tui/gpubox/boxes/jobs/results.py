"""Fetches the results of a job: each job has a local folder of its own, and nothing is written outside it."""

from __future__ import annotations

import asyncio
import glob
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from gpubox.boxes.files.transfer import Files, TransferProgress
from gpubox.core.errors import RemoteError
from gpubox.core.record import ACTIVE, Record
from gpubox.core.sanitize import clean

MARK = ".gpubox-job"
"""File in a local folder with the job's id: another job of the same name gets another folder."""
_BYTES = 200
"""Bytes that a name may have; a disk takes 255."""


async def fetch(
    files: Files,
    box: str,
    record: Record,
    to: str,
    progress: Callable[[TransferProgress], None] | None = None,
) -> Path:
    """Copy the results of an ended job into a folder of its own below `to`, and return that folder.

    They keep their paths relative to the job's working folder; those from elsewhere go to the top. A second
    fetch updates them. Raises RemoteError in words.
    """
    if record.state in ACTIVE:
        raise RemoteError("The job has not ended", "Its results are known when it has")
    if not record.results:
        requested = clean(", ".join(record.spec.results), 200)
        raise RemoteError(
            "No results",
            f"No file fits {requested}" if requested else "The job was started without files to fetch",
        )
    try:
        folder = await asyncio.to_thread(_folder, to, box, record)
        for parts, paths in _groups(record).items():
            place = await asyncio.to_thread(_below, folder, parts)
            await files.get(list(map(_pattern, paths)), f"{place}/", progress, replace=True)
        await asyncio.to_thread(_tidy, folder)
    except (OSError, ValueError, RuntimeError) as error:  # a zero byte in `to`; `~` of an unknown user
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RemoteError(
            "Results cannot be written",
            f"{clean(to, 120)}: {clean(words, 160)}",
            "Look at jobs.results in the settings",
        ) from None
    return folder


def places(folder: Path, record: Record) -> dict[str, Path]:
    """Return the local paths of results in the folder that `fetch` returned, by their path on the box.

    Results with undecodable names are not among them.
    """
    return {
        path: folder.joinpath(*parts, safe(PurePosixPath(path).name))
        for parts, paths in _groups(record).items()
        for path in paths
        if "\ufffd" not in PurePosixPath(path).name
    }


def _groups(record: Record) -> dict[tuple[str, ...], list[str]]:
    """Group the paths of results by their destination below the job's folder."""
    groups: dict[tuple[str, ...], dict[str, str]] = {}
    for text in dict.fromkeys(record.results):
        path = PurePosixPath(text)
        if path.name in ("", ".", "..", MARK):
            continue
        parts: tuple[str, ...] = ()
        if record.cwd and path.is_relative_to(record.cwd) and ".." not in path.parts:
            parts = tuple(safe(part) for part in path.parent.relative_to(record.cwd).parts)
        while path.name in groups.setdefault(parts, {}):  # two files of one name from other folders
            parts = (*parts, safe(path.parent.name or "other"))
        groups[parts][path.name] = text
    return {parts: list(names.values()) for parts, names in groups.items()}


def _pattern(path: str) -> str:
    """Return a pattern for exactly this path; undecodable bytes came as U+FFFD, and match any."""
    if not glob.has_magic(path) and "\ufffd" not in path and not path.endswith("/~"):
        return path
    pattern = glob.escape(path).replace("\ufffd", "*")
    return f"{pattern[:-1]}[~]" if pattern.endswith("/~") else pattern


def _folder(to: str, box: str, record: Record) -> Path:
    """Return the folder of a job, created if needed: named after the job, or its id where that is taken."""
    home = Path(to).expanduser() / safe(box)
    home.mkdir(parents=True, exist_ok=True)
    name = safe(record.spec.name) if record.spec.name else ""
    end = safe(record.id.rpartition("-")[2])
    for candidate in (name, f"{name}-{end}" if name else "", safe(record.id)):
        folder = home / candidate
        if not candidate or (folder.exists() and _owner(folder) != record.id):
            continue
        folder.mkdir(exist_ok=True)
        (folder / MARK).write_text(record.id)
        return folder
    raise FileExistsError(17, f"{home / safe(record.id)} is there already, and not ours")


def _owner(folder: Path) -> str:
    try:
        return (folder / MARK).read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _below(folder: Path, parts: tuple[str, ...]) -> Path:
    place = folder.joinpath(*parts)
    place.mkdir(parents=True, exist_ok=True)
    if not place.resolve().is_relative_to(folder.resolve()):
        raise NotADirectoryError(20, f"{clean(str(place), 120)} leads out of the job's folder")
    return place


def _tidy(folder: Path) -> None:
    """Rename files whose names are unsafe for a terminal."""
    for place, folders, names in os.walk(folder, topdown=False):
        for name in (*folders, *names):
            old, new = os.path.join(place, name), os.path.join(place, safe(name))
            if new != old:
                if os.path.isdir(new):  # from an earlier fetch
                    shutil.rmtree(new)
                os.replace(old, new)


def safe(name: str) -> str:
    """Return a safe file name; one that had to be changed ends in a digest."""
    good = "".join(
        character if character.isprintable() and character not in "/\ufffd" else "_" for character in name
    ).strip()
    good = good.encode("utf-8", "replace")[:_BYTES].decode("utf-8", "ignore")
    if good == name and good not in ("", ".", ".."):
        return good
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    good = good.encode()[: _BYTES - len(digest) - 1].decode("utf-8", "ignore").strip()
    stem, dot, suffix = good.strip(".").rpartition(".")
    return f"{stem}~{digest}.{suffix}" if dot and stem and len(suffix) < 10 else f"{good.strip('.')}~{digest}"
