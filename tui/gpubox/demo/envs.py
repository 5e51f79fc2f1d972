"""Environments of the demo box: working folders, with marked stubs instead of frameworks."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

STUB = Path(__file__).with_name("framework.py").read_text("utf-8")
FOR_GPUS = "\nGPU = True\n"
assert FOR_GPUS in STUB, "the stub for the CPU is made from it"
VERSION = ".".join(map(str, sys.version_info[:3]))
SHORT = ".".join(map(str, sys.version_info[:2]))


class Made(NamedTuple):
    """An environment of conda's layout."""

    name: str
    packages: tuple[tuple[str, str, str], ...]
    """Name, version and build; stubs contain `simulated`."""
    stub: str = ""
    """The content of the module `tensorflow`."""


ENVS = (
    Made("torch", (("python", VERSION, "0"),)),
    Made(
        "tf-gpu",
        (
            ("python", VERSION, "0"),
            ("tensorflow", "2.15.0+simulated", "gpu_cuda122_0"),
            ("cudatoolkit", "12.2+simulated", "0"),
            ("cudnn", "8.9+simulated", "0"),
        ),
        STUB,
    ),
    Made(
        "tf-cpu",
        (("python", VERSION, "0"), ("tensorflow", "2.15.0+simulated", "cpu_0")),
        STUB.replace(FOR_GPUS, FOR_GPUS.replace("True", "False")),
    ),
)


def furnish(home: Path) -> None:
    """Create the environments below a home, which takes 3 ms; raises OSError."""
    for made in ENVS:
        prefix = home / "miniconda3" / "envs" / made.name
        site = _python(prefix)
        meta = prefix / "conda-meta"
        meta.mkdir()
        (meta / "history").touch()
        for name, version, build in made.packages:
            package = {"name": name, "version": version, "build": build, "channel": "simulated"}
            (meta / f"{name}-{version}-{build}.json").write_text(json.dumps(package))
        if made.stub:
            (site / "tensorflow").mkdir()
            (site / "tensorflow" / "__init__.py").write_text(made.stub)
    _python(home / "project" / ".venv")
    broken = home / "attic" / "venv"
    _python(broken)
    (broken / "bin" / "python").unlink()
    (broken / "bin" / "python").symlink_to(home / "python3.7" / "bin" / "python3.7")


def _python(prefix: Path) -> Path:
    """Create an environment with this Python, as `python -m venv` does; return its packages' folder."""
    site = prefix / "lib" / f"python{SHORT}" / "site-packages"
    site.mkdir(parents=True)
    (prefix / "bin").mkdir()
    interpreter = os.path.realpath(sys.executable)
    for name in ("python", "python3"):
        (prefix / "bin" / name).symlink_to(interpreter)
    (prefix / "pyvenv.cfg").write_text(
        f"home = {os.path.dirname(interpreter)}\ninclude-system-site-packages = false\nversion = {VERSION}\n"
    )
    return site
