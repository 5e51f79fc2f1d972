"""Facts of software environments, as remote/checks/envs.py gathers them."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from gpubox.boxes.checks.check import Facts
from gpubox.core.bounds import Whole
from gpubox.core.env import Build, Env, Root


class PackageCache(msgspec.Struct, frozen=True):
    """A folder in which a tool keeps the packages that it fetched."""

    tool: str
    """`conda`, `uv` or `pip`."""
    path: str
    own: Whole = 0
    """Bytes that to delete it would free."""
    shared: Whole = 0
    """Bytes that environments use by hard links."""
    whole: bool = True
    """Whether all of it was counted in time."""


class OutsideBuild(msgspec.Struct, frozen=True):
    """A framework that is installed outside of environments."""

    folder: str
    build: Build


class NewText(msgspec.Struct, frozen=True):
    """A file and what is to be in it."""

    path: str
    text: str


class EnvsFacts(Facts, frozen=True):
    """The environments of the box, and the settings of their tools."""

    SECTION: ClassVar[str] = "envs"

    envs: tuple[Env, ...] = ()
    roots: tuple[Root, ...] = ()
    modules: str = ""
    cuda: str = ""
    """Highest CUDA that the driver supports; empty when unknown."""
    driver: str = ""
    """Version of NVIDIA's driver, or `WSL`, `ROCm` or `Tegra`; empty without a driver for GPUs."""
    partial: str = ""
    """Places that were not searched in time, in words."""
    has_venv: bool = False
    """Whether Python here can make virtual environments."""
    home: str = ""
    auto_base: bool = False
    """Whether conda's settings let its start code activate base."""
    without_base: NewText | None = None
    """The user's condarc with base off; None where that would not do, or the file is not plain."""
    init_file: str = ""
    """The start file with the code of `conda init`, below the home folder."""
    path_file: str = ""
    """The start file that puts the programs of base in front of all others."""
    channels: tuple[str, ...] = ()
    """conda's channels, in their order; empty where no file names one."""
    default_channels: tuple[str, ...] = ()
    """What `defaults` stands for, where a file says so."""
    channel_priority: str = "flexible"
    settings: tuple[str, ...] = ()
    """Files with conda's settings."""
    caches: tuple[PackageCache, ...] | None = None
    """None when they could not be measured in time."""
    outside: tuple[OutsideBuild, ...] = ()

    @property
    def conda_roots(self) -> tuple[Root, ...]:
        """Installations of conda and mamba."""
        return tuple(root for root in self.roots if root.flavor not in ("uv", "pixi"))
