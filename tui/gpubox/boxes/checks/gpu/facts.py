"""Facts of GPUs and their driver, as remote/checks/{gpu,kernel,packages}.py gather them."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from gpubox.boxes.checks.check import Facts
from gpubox.boxes.checks.unit_state import UnitState
from gpubox.core.bounds import Moment, Number, Whole


class PciCard(msgspec.Struct, frozen=True):
    """An NVIDIA card on the PCI bus."""

    address: str
    """Such as `0000:3b:00.0`."""
    device: str = ""
    """Its PCI device id, four hex digits."""
    name: str = ""
    """As the driver calls it, or else the list of PCI ids, such as `GP104 [GeForce GTX 1070]`."""
    driver: str = ""
    """The kernel driver that is bound to it; empty for none."""
    answers: bool | None = None
    """Whether its configuration can be read; a card that fell off the bus answers with ones only."""
    asleep: bool = False
    """Whether the kernel suspended it, as laptops do."""
    width: Whole | None = None
    """Lanes in use."""
    width_max: Whole | None = None
    slot_width: Whole | None = None
    """Lanes of the port that it is connected to."""
    speed: Number | None = None
    """GT/s."""
    speed_max: Number | None = None
    slot_speed: Number | None = None


class GpuProcess(msgspec.Struct, frozen=True):
    """A process on a GPU, as nvidia-smi lists it."""

    pid: Whole
    kind: str = ""
    """`C` for compute, `G` for graphics, `M+C` for one below MPS, and more."""


class SmiGpu(msgspec.Struct, frozen=True):
    """A GPU as nvidia-smi lists it."""

    name: str = ""
    capability: str = ""
    """Compute capability, such as `8.9`; empty where the driver is too old to say it."""
    driver: str = ""
    persistence: bool | None = None
    pstate: str = ""
    address: str = ""
    memory_used: Whole | None = None
    """Bytes; the smaller one of two readings."""
    memory_reserved: Whole | None = None
    """Bytes that the driver keeps for itself; None where it is too old to say it."""
    mig: bool | None = None
    recovery: str = ""
    """What the driver asks for, such as `None` or `Reset`; empty where it does not say it."""
    processes: tuple[GpuProcess, ...] | None = None
    """Those that nvidia-smi lists, of any kind; None where it could not list them."""


class SmiRun(msgspec.Struct, frozen=True):
    """One run of nvidia-smi."""

    path: str = ""
    """Empty without the program."""
    ran: bool = False
    """It is not run without a driver: as root it would load one."""
    status: Whole | None = None
    """Exit status; None when it did not end in time."""
    seconds: Number | None = None
    error: str = ""
    """The first line that it complained with."""
    gpus: tuple[SmiGpu, ...] = ()


class DeviceNode(msgspec.Struct, frozen=True):
    """A device file of the driver."""

    path: str
    mode: str = ""
    """Octal, such as `666`."""
    owner: str = ""
    group: str = ""
    usable: bool = True
    """Whether the user may read and write it."""


class StuckProcess(msgspec.Struct, frozen=True):
    """A process that waited in the kernel, uninterruptible, during the whole look."""

    pid: Whole
    name: str = ""
    user: str = ""
    gpu: bool = False
    """Whether it holds a device of the driver, as far as this user may see."""
    place: str = ""
    """The function of the kernel that it waits in, where it is readable."""


class GpuHolder(msgspec.Struct, frozen=True):
    """A process that has CUDA open and that nvidia-smi does not list."""

    pid: Whole
    name: str = ""
    user: str = ""


class GpuFacts(Facts, frozen=True):
    """NVIDIA cards and their driver."""

    SECTION: ClassVar[str] = "gpu"

    cards: tuple[PciCard, ...] = ()
    pci: bool = True
    """Whether the PCI bus can be read."""
    platform: str = ""
    """`wsl` or `tegra` where GPUs are not on the PCI bus; else empty."""
    container: str = ""
    """The kind of container that this is, or empty."""
    modules: tuple[str, ...] | None = None
    """Loaded kernel modules of NVIDIA's cards; None where the kernel does not list them."""
    version: str = ""
    """Version of the loaded driver."""
    flavor: str = ""
    """`open` or `proprietary`: the loaded kernel module."""
    disk_version: str = ""
    """Version of the kernel module on disk for the running kernel."""
    disk_license: str = ""
    disk_signer: str = ""
    has_modinfo: bool = False
    library: str = ""
    """File of NVML."""
    library_version: str = ""
    smi: SmiRun = msgspec.field(default_factory=SmiRun)
    holders: tuple[GpuHolder, ...] = ()
    """Looked for where memory is in use without a process, as far as the login may see."""
    mps: bool = False
    """Whether a server of MPS runs."""
    root: bool = False
    """Whether the facts were gathered as root."""
    persistenced: bool | None = None
    """Whether nvidia-persistenced runs."""
    persistence_unit: UnitState | None = None
    """Its service."""
    efi: bool = False
    secure_boot: bool | None = None
    lockdown: str = ""
    """Mode of kernel lockdown: `none`, `integrity` or `confidentiality`; empty without it."""
    nodes: tuple[DeviceNode, ...] = ()
    user: str = ""
    nvswitches: Whole = 0
    fabric_manager: str = ""
    """State of nvidia-fabricmanager: `active`, `failed`, `inactive`, `missing`, or empty when unknown."""
    fabric_unit: UnitState | None = None
    """Its service."""
    fabric_version: str = ""
    """The version of the program."""
    engines: tuple[str, ...] = ()
    """Container engines: `docker`, `podman`."""
    toolkit: tuple[str, ...] = ()
    """Programs of the NVIDIA container toolkit."""
    docker_runtime: bool | None = None
    """Whether Docker's settings name the NVIDIA runtime; None where they cannot be read."""
    cdi: tuple[str, ...] = ()
    """Files that describe NVIDIA devices for containers."""
    stuck: tuple[StuckProcess, ...] = ()
    headless: bool = False
    """Whether no display server runs."""


class XidCount(msgspec.Struct, frozen=True):
    """All reports of one Xid code by one card."""

    address: str
    """As the log has it, such as `0000:3b:00`."""
    code: Whole
    count: Whole = 1
    bursts: Whole = 1
    """Reports, of which those within three minutes of each other count once."""
    bursts_day: Whole = 1
    """Those of the last 24 hours of the log."""
    first: Moment | None = None
    last: Moment | None = None
    programs: tuple[str, ...] = ()
    """Names of the programs that it hit."""
    pids: Whole = 0
    """How many processes that were."""
    text: str = ""
    """Of the last one."""
    kind: str = "xid"
    """`sxid` for those of an NVSwitch."""


class KernelMessage(msgspec.Struct, frozen=True):
    """Messages of the kernel of one kind about one thing."""

    kind: str
    subject: str = ""
    """A device, a disk or a program."""
    count: Whole = 1
    first: Moment | None = None
    last: Moment | None = None
    text: str = ""
    """Of the last one."""


class KernelFacts(Facts, frozen=True):
    """What the kernel log of this boot says of GPUs and other hardware."""

    SECTION: ClassVar[str] = "kernel"

    source: str = ""
    """`dmesg` or `journal`; empty when the log cannot be read."""
    why: str = ""
    """Why it cannot be read."""
    whole: bool = False
    """Whether the log goes back to the boot."""
    begins: Moment | None = None
    """When its first line was written."""
    time: Moment | None = None
    """Now, by the clock of the box."""
    xids: tuple[XidCount, ...] = ()
    messages: tuple[KernelMessage, ...] = ()


class DriverPackage(msgspec.Struct, frozen=True):
    """An installed package of the driver or of CUDA."""

    name: str
    version: str = ""
    candidate: str = ""
    """The version that an update would install; empty when unknown."""
    held: bool = False
    epoch: Whole = 0
    """Of a package of rpm: the number that counts before its version."""


class LockFile(msgspec.Struct, frozen=True):
    """The file in which the package manager keeps locks of packages."""

    path: str
    kind: str
    """`list` for dnf 4 with its plugin versionlock, `toml` for dnf 5, `zypp` for zypper."""
    text: str = ""
    """All of it; empty where there is no such file yet."""


class DkmsBuild(msgspec.Struct, frozen=True):
    """A driver's state for a kernel, as DKMS says it."""

    module: str
    version: str
    kernel: str = ""
    state: str = ""
    """`added`, `built` or `installed`."""


class PackageFacts(Facts, frozen=True):
    """Packages of the driver, and what updates would do to them."""

    SECTION: ClassVar[str] = "packages"

    manager: str = ""
    """`apt`, `dnf`, `pacman` or `zypper`; empty when none was found."""
    distribution: str = ""
    """Such as `ubuntu 24.04`."""
    packages: tuple[DriverPackage, ...] = ()
    candidates_known: bool = False
    """Whether the package manager said what an update would install."""
    pinned: tuple[str, ...] = ()
    """Files and packages that pin versions of the driver."""
    lock_file: LockFile | None = None
    """None where the package manager has none, or where it cannot be read whole."""
    automatic: bool | None = None
    """Whether updates install themselves."""
    excluded: bool = False
    """Whether automatic updates leave the driver out."""
    dkms: tuple[DkmsBuild, ...] = ()
    headers: bool | None = None
    """Whether headers of the running kernel are installed; None where that is unknown."""
    built: tuple[str, ...] = ()
    """Releases of the installed kernels that have a driver module."""
    modules_known: bool = False
    """Whether the lists of modules of the installed kernels could be read."""
    autobuilt: bool = False
    """Whether akmods builds a missing module at the next boot."""
