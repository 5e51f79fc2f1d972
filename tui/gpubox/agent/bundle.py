"""Programs that run on a box: the files that a main module imports, and the form in which they are sent."""

from __future__ import annotations

import ast
import base64
import contextlib
import hashlib
import importlib.util
import json
import re
import textwrap
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from gpubox.core import gc_tuning
from gpubox.core.errors import ConfigError

_PACKAGE = str(Path(__file__).parents[1])
_NVML = "pynvml.py"
PYTHON = "-I -S -OO"
"""Options of Python for all programs; docstrings take memory on the box."""
STARTER = "run.py"
"""The file that starts a Python program; it is beside the packages."""
_IMPORT = re.compile(r"^[ \t]*(?:import|from)[ \t]+(?:gpubox|pynvml)\b[^\n(]*(?:\([^)]*\))?", re.M)
"""A statement that imports a module of ours. To parse whole files by `ast` would take 0.1 s for the jobs."""
_QUOTED = re.compile(r"""["'](gpubox\.[a-z0-9_.]+)["']""")
"""A module of ours in quotes: one that is started as a process of its own."""
_PROSE = re.compile(r"""^ *(?:\"{3}[^"]*\"{3}|#.*)\n""", re.M)
"""The docstrings and comments of boot.py, which has no other strings at the start of a line."""


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A program in its folder on a box."""

    name: str
    """Its name in folders and errors; lowercase letters only."""
    files: Mapping[str, bytes]
    """By path in the folder: the text, ASCII for sh and UTF-8 for Python."""
    main: str
    """The module whose function `main` runs; for sh, the only file."""
    interpreter: Literal["python", "sh"] = "python"
    """A program for sh has its text in $s when it was just sent, otherwise in $0 with $s unset."""


@cache
def program(name: str, main: str, *, interpreter: Literal["python", "sh"] = "python") -> Program:
    """Return the program with the main module `main`, such as gpubox.remote.jobs.main, and all it imports.

    For sh, `main` is one file of gpubox.remote. Raises ConfigError when NVML's module is needed and missing.
    """
    if not re.fullmatch("[a-z]+", name):
        raise ValueError(f"not the name of a program: {name}")
    if interpreter == "sh":
        lines = _text(f"remote/{main}").splitlines()
        text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))  # dd reads by the byte
        return Program(name, {main: text.encode()}, main, interpreter)
    files = {path: text.encode() for path, text in sorted(_followed(main).items())}
    return Program(name, {STARTER: _text(f"remote/{STARTER}").encode(), **files}, main)


def imports(source: str) -> Iterator[str]:
    """Yield the names that a source imports from gpubox and pynvml, including late imports and quoted names.

    `from gpubox.remote import x` yields the package and gpubox.remote.x, which may be a module.
    """
    yield from _QUOTED.findall(source)
    for statement in _IMPORT.findall(source):
        with gc_tuning.paused():
            tree = ast.parse(textwrap.dedent(statement))
        for node in tree.body:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module or ""
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _followed(main: str) -> dict[str, str]:
    """Return our files that a module needs, by path; gpubox itself is an empty package."""
    found: dict[str, str] = {}
    pending = [main]
    while pending:
        name = pending.pop()
        path, text = _module(name)
        if path in found or text is None:
            continue
        found[path] = text
        pending += [*(imports(text) if path != _NVML else ()), name.rpartition(".")[0]]
    if path_of(main) not in found:
        raise ValueError(f"no module: {main}")
    return found


def path_of(module: str) -> str:
    """Return the file of a module that is not a package."""
    return module.replace(".", "/") + ".py"


@cache
def _module(name: str) -> tuple[str, str | None]:
    """Return the path and text of a module or package; the text is None when it does not exist."""
    if name in ("", "gpubox"):
        return "gpubox/__init__.py", ""
    if name.partition(".")[0] == "pynvml":
        return _NVML, pynvml_source()
    for path in (f"{name.replace('.', '/')}/__init__.py", path_of(name)):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return path, _text(path.removeprefix("gpubox/"))
    return path_of(name), None


def _text(path: str) -> str:
    """Return a file of the package; importlib.resources would take longer than all the rest here."""
    with open(f"{_PACKAGE}/{path}", encoding="utf-8") as file:
        return file.read()


@cache
def pynvml_source() -> str:
    """Return pynvml as installed here; its license text is part of the file and travels with it."""
    spec = importlib.util.find_spec("pynvml")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "pynvml is missing here", "The package nvidia-ml-py is not installed", "Reinstall gpubox-tui"
        )
    return Path(spec.origin).read_text("utf-8")


@lru_cache(64)
def folder(program: Program) -> str:
    """Return the name of its folder on the box, which holds a hash of the files."""
    digest = hashlib.sha256()
    for name, data in program.files.items():
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return f"{program.name}-{digest.hexdigest()[:16]}"


@lru_cache(64)
def payload(program: Program) -> bytes:
    """Return the first bytes of stdin for a box without the program.

    For Python: the size of the rest in eight digits, the sha256 of the JSON, and the JSON, compressed.
    """
    if program.interpreter == "sh":
        return program.files[program.main].strip()
    packed = json.dumps({name: data.decode() for name, data in program.files.items()}).encode()
    data = hashlib.sha256(packed).hexdigest().encode() + zlib.compress(packed, 9)
    return b"%08d" % len(data) + data


@cache
def stub() -> str:
    """Return boot.py as one line without quotes; tcsh accepts no newline."""
    source = _PROSE.sub("", _text("remote/boot.py"))
    packed = base64.b64encode(zlib.compress(source.encode(), 9)).decode()
    return f'import base64,zlib;exec(zlib.decompress(base64.b64decode("{packed}")))'
