"""What the tests of the probe share: a folder with it, a box that has nothing, and the stand-in for NVML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fake_nvml.build import build
from tests.remote.running import Running, pythons, running, unpack


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The probe as it lies in the cache of a box."""
    return unpack(tmp_path_factory.mktemp("probe"))


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Compile a flavor of the stand-in for NVML, once for all workers."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base

    def compiled(flavor: str = "") -> Path:
        return build(shared / "fake_nvml", flavor)

    return compiled


@dataclass
class Machine:
    """A box of nothing but temporary folders."""

    root: Path
    environment: dict[str, str]
    start: Callable[..., Running] = field(init=False)

    @property
    def control(self) -> Path:
        """The control file of the stand-in for NVML."""
        return self.root / "control"

    @property
    def processes(self) -> Path:
        """The process file of the stand-in for NVML."""
        return self.root / "pids"

    def file(self, path: str, text: str) -> Path:
        """Write a file below the box's root."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def card(self, address: str = "0000:01:00.0") -> None:
        """Put an NVIDIA card on the PCI bus."""
        self.file(f"/sys/bus/pci/devices/{address}/vendor", "0x10de\n")
        self.file(f"/sys/bus/pci/devices/{address}/class", "0x030000\n")

    def smi(self, script: str) -> Path:
        """Install a program called nvidia-smi."""
        program = self.file("/bin/nvidia-smi", "#!/bin/sh\n" + script)
        program.chmod(0o755)
        return program

    def gpus(self, library: Path, models: str = "h100", count: int = 1, **settings: object) -> None:
        """Install the stand-in for NVML."""
        self.environment.update(
            {
                "GPUBOX_NVML_LIB": str(library),
                "FAKE_NVML_MODEL": models,
                "FAKE_NVML_GPUS": str(count),
                "FAKE_NVML_CTL": str(self.control),
                "FAKE_NVML_PIDS": str(self.processes),
                **{f"FAKE_NVML_{name.upper()}": str(value) for name, value in settings.items()},
            }
        )


@pytest.fixture
def machine(tmp_path: Path, home: Path) -> Iterator[Machine]:
    """A box without GPU, driver and programs; `start` runs the probe on it."""
    environment = {"PATH": str(tmp_path / "bin"), "GPUBOX_ROOT": str(tmp_path)}
    with ExitStack() as stack:
        box = Machine(tmp_path, environment)

        def start(*arguments: str, python: str = "", patch: str = "") -> Running:
            chosen: Mapping[str, str] = {"python": python} if python else {}
            begun: AbstractContextManager[Running] = running(
                home, box.environment, arguments or ("interval=0.25",), patch=patch, **chosen
            )
            return stack.enter_context(begun)

        box.start = start
        yield box


@pytest.fixture(params=["oldest", "newest"])
def python(request: pytest.FixtureRequest) -> str:
    """The oldest and the newest Python here that the probe knows."""
    found = list(pythons().values())
    return found[0] if request.param == "oldest" else found[-1]
