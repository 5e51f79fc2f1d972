"""Compiles the stand-in for NVML, once per machine state, for tests and benchmarks."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.components.parts import program

SOURCE = Path(__file__).with_name("fake_nvml.c")
FLAVORS = {
    "": [],
    "old": ["-DFAKE_OLD_DRIVER"],
    "ancient": ["-DFAKE_OLD_DRIVER", "-DFAKE_ANCIENT_DRIVER"],
}
"""Drivers of today, of the 470 family, and of before 390."""


def build(folder: Path, flavor: str = "", version: str = "580.95.05") -> Path:
    """Return the library in `folder`, compiled if it is not there; several processes may ask at once.

    As on a real box `libnvidia-ml.so.1` is a link to a file that carries the version. Skips the test, or
    fails it, where there is no compiler.
    """
    compiler = shutil.which("cc") or shutil.which("clang") or program("gcc")
    key = hashlib.sha256(SOURCE.read_bytes() + flavor.encode() + version.encode()).hexdigest()[:12]
    home = folder / f"nvml-{flavor or 'new'}-{key}"
    home.mkdir(parents=True, exist_ok=True)
    link, library = home / "libnvidia-ml.so.1", home / f"libnvidia-ml.so.{version}"
    if not link.exists():
        fresh = home / f"{os.getpid()}.so"
        command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-std=c99", "-shared", "-fPIC"]
        command += ["-fvisibility=hidden", "-Wl,-soname,libnvidia-ml.so.1", *FLAVORS[flavor]]
        subprocess.run([*command, "-o", str(fresh), str(SOURCE), "-lm"], check=True)
        fresh.rename(library)
        fresh.symlink_to(library.name)
        fresh.rename(link)
    return link
