"""What is committed names no machine, no package index and no secret."""

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house import tree

LOCKS = [tree.ROOT / "requirements.lock", tree.ROOT / "tests" / "requirements.lock"]

# Written in pieces, so that this file does not find itself.
FORBIDDEN = {
    "an address of a package index": r"https?://\S+/simple\b|python" + r"hosted\.org",
    "an option that names a package index": r"(?m)^\s*(--(extra-)?index-"
    + r"url|--find-"
    + r"links|--trusted-)",
    "a private key": r"-----BEGIN (OPENSSH|RSA|EC) PRIVATE " + r"KEY-----\s+\S{30}",
    "an unfinished thought": r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b",
}


def texts() -> list[tuple[str, str]]:
    """Name and text of every tracked file that is text."""
    files = [(tree.name(path), path.read_bytes()) for path in tree.tracked()]
    return [(name, data.decode(errors="replace")) for name, data in files if b"\0" not in data]


def test_no_file_names_a_place_of_this_machine() -> None:
    common = {Path(), Path("/"), Path("/root"), Path("/usr"), Path("/usr/local")}
    places = {tree.ROOT, Path.home(), Path(sys.prefix), Path(sys.base_prefix)} - common
    found = [(name, str(place)) for name, text in texts() for place in places if f"{place}/" in text]
    assert found == []


def test_no_file_holds_what_must_not_be_committed() -> None:
    found = [
        f"{name} holds {what}: {hit.group()!r}"
        for name, text in texts()
        for what, pattern in FORBIDDEN.items()
        if (hit := re.search(pattern, text))
    ]
    assert found == []


def pins(lock: Path) -> dict[str, tuple[str, int]]:
    """Version and number of hashes of each package in a lock."""
    blocks = re.findall(r"(?m)^([\w.-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})*)$", lock.read_text())
    return {canonicalize_name(name): (version, hashes.count("--hash")) for name, version, hashes in blocks}


def test_every_line_of_a_lock_is_a_pin_with_hashes() -> None:
    for lock in LOCKS:
        heads = [line for line in lock.read_text().splitlines() if not line.startswith(" ")]
        assert len(heads) == len(pins(lock)), f"{tree.name(lock)} has a line that is no pin"
        assert [name for name, (_, hashes) in pins(lock).items() if not hashes] == []


def test_every_dependency_is_pinned_within_its_range() -> None:
    project = tomllib.loads((tree.ROOT / "pyproject.toml").read_text())
    runtime, development = pins(LOCKS[0]), {**pins(LOCKS[0]), **pins(LOCKS[1])}
    expected = {
        "requirements.lock": (
            project["project"]["dependencies"] + project["build-system"]["requires"],
            runtime,
        ),
        "tests/requirements.lock": (project["project"]["optional-dependencies"]["dev"], development),
    }
    for lock, (lines, pinned) in expected.items():
        for need in map(Requirement, lines):
            version, _ = pinned.get(canonicalize_name(need.name), ("", 0))
            assert version, f"{need.name} is not in {lock}: run make lock"
            assert need.specifier.contains(version), f"{need} but {lock} has {version}: run make lock"


def test_each_dependency_says_why_it_is_there() -> None:
    text = (tree.ROOT / "pyproject.toml").read_text()
    lists = re.findall(r"(?ms)^(?:dependencies|dev) = \[\n(.*?)^\]", text)
    assert len(lists) == 2
    assert [
        line for block in lists for line in block.splitlines() if '",' in line and " # " not in line
    ] == []


def test_every_picture_of_the_pages_is_there_and_loads_nothing() -> None:
    pages = (tree.ROOT / "README.md", *(tree.ROOT / "docs").glob("*.md"))
    shown = {name for page in pages for name in re.findall(r"screenshots/[\w.-]+\.svg", page.read_text())}
    assert len(shown) >= 9
    for name in shown | {tree.name(path) for path in (tree.ROOT / "screenshots").glob("*")}:
        svg = (tree.ROOT / name).read_text()
        assert re.findall(r"url\((?!#)[^)]*\)|@import|@font-face|<script|href=", svg) == [], name
