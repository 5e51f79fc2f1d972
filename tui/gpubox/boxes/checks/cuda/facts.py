"""Facts of CUDA and cuDNN outside of environments, as remote/checks/cuda.py gathers them."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from gpubox.boxes.checks.check import Facts


class Toolkit(msgspec.Struct, frozen=True):
    """An installed CUDA toolkit."""

    path: str
    version: str = ""
    """Such as `12.4.1`; empty when no file says it."""
    package: bool = False
    """Whether it is the distribution's own, without a folder of its own."""
    default: bool = False
    """Whether /usr/local/cuda leads to it."""
    compiler: bool = False
    """Whether it has nvcc."""


class CudnnCopy(msgspec.Struct, frozen=True):
    """A cuDNN outside of environments: a header, or a library."""

    path: str
    version: str = ""
    kind: str = "library"
    """`header` or `library`."""


class LibraryFolder(msgspec.Struct, frozen=True):
    """A folder of LD_LIBRARY_PATH that has libraries of CUDA."""

    path: str
    libraries: tuple[str, ...] = ()
    exists: bool = True


class CudaFacts(Facts, frozen=True):
    """CUDA outside of environments."""

    SECTION: ClassVar[str] = "cuda"

    toolkits: tuple[Toolkit, ...] = ()
    nvcc: str = ""
    """Where a login finds the compiler; empty when it does not."""
    nvcc_version: str = ""
    login_read: bool = False
    """Whether the variables are those of a login; else they are those of a command over ssh."""
    cudnn: tuple[CudnnCopy, ...] = ()
    library_path: tuple[LibraryFolder, ...] = ()
    """Folders of LD_LIBRARY_PATH that have CUDA's libraries, and those that are gone and name CUDA."""
    machine: str = ""
    """The processor: `x86_64`, `aarch64`."""
