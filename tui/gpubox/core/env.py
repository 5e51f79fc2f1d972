"""Software environments of a box, as remote/envs/scan.py reports them."""

from __future__ import annotations

from typing import Literal

import msgspec

from gpubox.core.bounds import Moment, Whole
from gpubox.core.sanitize import clean

Kind = Literal["conda", "venv", "uv", "pixi"]
"""What made an environment; conda stands for mamba, micromamba and Miniforge too."""


class Build(msgspec.Struct, frozen=True, omit_defaults=True):
    """A framework in an environment, as its metadata describes it; nothing was imported."""

    framework: str
    """`torch`, `tensorflow` or `jax`."""
    version: str = ""
    target: Literal["cuda", "rocm", "cpu", "unknown"] = "unknown"
    """What it was built for."""
    cuda: str = ""
    """CUDA version that it was built for, such as `12.4`; empty when unknown."""
    why: str = ""
    """The file that says so, such as `torch/version.py`."""
    missing: str = ""
    """Libraries that a CUDA build needs and the environment lacks, in words."""

    @property
    def built_for(self) -> str:
        """`CUDA 12.4`, `ROCm`, `CPU`, or `?` when unknown; safe to draw."""
        words = {"cuda": f"CUDA {clean(self.cuda, 12)}".rstrip(), "rocm": "ROCm", "cpu": "CPU"}
        return words.get(self.target, "?")


class Sight(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of a GPU check of an environment; stored on the box."""

    at: Moment
    """When, in seconds since the epoch."""
    job: str = ""
    """The job that ran the check."""
    sees: bool | None = None
    """None when no framework could be checked."""
    devices: tuple[str, ...] = ()
    """Names of what it sees."""
    words: str = ""
    """The framework's own last words when it sees none, cleaned for one line."""
    current: bool = True
    """False when the environment or the driver changed since."""

    @property
    def answer(self) -> str:
        """The result as a sentence, safe to draw."""
        if self.sees:
            return f"It sees {', '.join(clean(name, 60) for name in self.devices) or 'a GPU'}"
        words = "It sees no GPU" if self.sees is False else "It gave no answer"
        return f"{words}: {clean(self.words, 160)}" if self.words else words


class Env(msgspec.Struct, frozen=True, omit_defaults=True):
    """One environment of a box."""

    prefix: str
    """Its folder, absolute, links resolved; it identifies the environment."""
    name: str
    """What people call it: the conda name, or the project's folder for those in projects."""
    kind: Kind
    root: str = ""
    """The installation that it belongs to (conda), or the project's folder (venv, uv, pixi)."""
    base: bool = False
    """Whether it is the root of a conda installation itself."""
    tool: str = ""
    """Path of the program on the box that changes it: conda, mamba, micromamba, uv, pixi or its python."""
    python: str = ""
    """Version of its Python; empty when it has none."""
    packages: Whole | None = None
    """How many packages it has; None when unknown."""
    builds: tuple[Build, ...] = ()
    broken: str = ""
    """Why it cannot be used, in words; empty when it can."""
    used: Moment | None = None
    """When something in it last ran or changed, in seconds since the epoch, judged by its files."""
    size: Whole | None = None
    """Bytes on disk; counted on demand only."""
    sight: Sight | None = None


class Root(msgspec.Struct, frozen=True, omit_defaults=True):
    """An installation that environments come from."""

    path: str
    flavor: str
    """`miniconda`, `anaconda`, `miniforge`, `mamba`, `micromamba`, `uv` or `pixi`, judged by its files."""
    tool: str = ""
    """The program that makes environments there."""
    envs: str = ""
    """Folder where new ones go."""


class Envs(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of one scan of a box."""

    v: Whole = 1
    envs: tuple[Env, ...] = ()
    roots: tuple[Root, ...] = ()
    modules: str = ""
    """The module system, such as `Lmod 8.7`; empty without one."""
    cuda: str = ""
    """Highest CUDA version that the driver supports, where the box reports it without NVML; else empty."""
    partial: str = ""
    """Places that did not answer in time, in words; empty after a complete scan."""


class Package(msgspec.Struct, frozen=True, omit_defaults=True):
    """A package in an environment."""

    name: str
    version: str
    build: str = ""
    """conda's build string."""
    source: str = ""
    """conda channel, or `pypi`."""
