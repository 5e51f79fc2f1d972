"""One reading of a box, as it comes over the wire and as every panel sees it.

The probe writes one JSON object a line. A value that the driver or the kernel does not give is
absent or null on the wire and None here, never 0. Unknown fields are ignored and new ones have
defaults, so an old panel reads a new probe and a new panel an old one. Sizes are bytes, power is
watts, clocks are MHz, temperatures are degrees Celsius, rates are bytes a second, shares are
percent from 0 to 100, times are seconds since the epoch of the box.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gpubox.common.metrics import share
from gpubox.core.bounds import Moment, Number, Whole

WIRE = 1
"""Version of the line format; the probe sends it as `v`."""


class Struct(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable value."""


class RemappedRows(Struct, frozen=True, kw_only=True):
    """Memory rows that the driver replaced (nvmlDeviceGetRemappedRows)."""

    correctable: Whole = 0
    uncorrectable: Whole = 0
    pending: bool = False
    failed: bool = False


class MigInstance(Struct, frozen=True, kw_only=True):
    """One slice of a GPU in MIG mode."""

    uuid: str
    name: str = ""
    gpu_instance: Whole | None = None
    compute_instance: Whole | None = None
    memory_used: Whole | None = None
    memory_total: Whole | None = None


class Gpu(Struct, frozen=True, kw_only=True):
    """One GPU; a lost one keeps its row, with `lost_at` set and without readings."""

    index: Whole
    uuid: str = ""
    name: str = ""
    bus: str = ""
    """PCI bus id, such as 00000000:01:00.0."""
    simulated: bool = False
    unified: bool = False
    """Memory is the system's own (GB10, Jetson): used and total are the host's."""
    lost_at: Moment | None = None
    fault: str | None = None
    """The driver's error instead of readings: `GPU is lost`, `GPU requires reset`."""

    util: Number | None = None
    """SM activity over the driver's last sample period."""
    memory_util: Number | None = None
    """Share of time that memory was read or written; not how full it is."""
    memory_used: Whole | None = None
    memory_total: Whole | None = None
    temperature: Number | None = None
    temperature_slowdown: Number | None = None
    temperature_shutdown: Number | None = None
    temperature_memory: Number | None = None
    fan: Number | None = None
    power: Number | None = None
    power_limit: Number | None = None
    energy: Number | None = None
    """Joules since the driver was loaded."""
    clock_sm: Whole | None = None
    clock_sm_max: Whole | None = None
    clock_memory: Whole | None = None
    clock_memory_max: Whole | None = None
    pstate: Whole | None = None
    throttle: Whole | None = None
    """Bit mask of nvmlClocksEventReasons; `gpubox.common.throttle` turns it into words."""
    pcie_gen: Whole | None = None
    pcie_gen_max: Whole | None = None
    pcie_width: Whole | None = None
    pcie_width_max: Whole | None = None
    pcie_rx: Number | None = None
    pcie_tx: Number | None = None
    encoder: Number | None = None
    decoder: Number | None = None
    ecc_corrected: Whole | None = None
    """Since the last driver load (volatile)."""
    ecc_uncorrected: Whole | None = None
    remapped_rows: RemappedRows | None = None
    retired_pages: Whole | None = None
    mig: bool | None = None
    mig_instances: tuple[MigInstance, ...] = ()
    persistence: bool | None = None
    compute_mode: str | None = None
    display_active: bool | None = None
    xid: Whole | None = None
    """Number of the last Xid error event since the probe started."""
    xid_at: Moment | None = None
    missing: dict[str, str] = {}
    """Why a field is None, in the driver's words: {"fan": "Not Supported"}."""


class Process(Struct, frozen=True, kw_only=True):
    """One process on one GPU, or a busy process of the host (`gpu` is None)."""

    pid: Whole
    gpu: Whole | None = None
    """Index of the GPU; a process on two GPUs has two rows."""
    gpu_instance: Whole | None = None
    kind: str = ""
    """`C` compute, `G` graphics, `C+G` both, `M` MPS; empty for a host process."""
    user: str = ""
    name: str = ""
    command: str = ""
    """The command line, arguments separated by spaces."""
    gpu_memory: Whole | None = None
    sm: Number | None = None
    cpu: Number | None = None
    """Percent of one core."""
    memory: Whole | None = None
    """Resident memory of the host."""
    started: Moment | None = None
    state: str = ""
    """The kernel's letter: R, S, D, Z, T."""
    container: str | None = None
    env: str | None = None
    """Name or folder of the conda or virtual environment it runs in."""


class Disk(Struct, frozen=True, kw_only=True):
    """One mounted file system of a real device, or of the network."""

    mount: str
    device: str = ""
    filesystem: str = ""
    used: Whole = 0
    total: Whole = 0
    read_only: bool = False
    hangs: Number | None = None
    """Seconds for which it has not answered; None when it answered."""
    fault: str = ""
    """The kernel's error when it gives no size, such as `Stale file handle`."""


class Host(Struct, frozen=True, kw_only=True):
    """The machine around the GPUs."""

    hostname: str = ""
    distribution: str = ""
    kernel: str = ""
    cpu_model: str = ""
    machine: str = ""
    """Architecture, such as x86_64."""
    cpu: Number | None = None
    cores: tuple[Number, ...] = ()
    load: tuple[Number, ...] = ()
    memory_total: Whole | None = None
    memory_available: Whole | None = None
    cpu_limit: Number | None = None
    """CPUs that the container may use, such as 2.5; None when it may use all. `cpu` is a share of them."""
    memory_limit: Whole | None = None
    """Bytes that the container may use; None when they are all of the machine. `memory_total` is the same."""
    swap_total: Whole | None = None
    swap_used: Whole | None = None
    disks: tuple[Disk, ...] = ()
    disk_read: Number | None = None
    disk_write: Number | None = None
    net_receive: Number | None = None
    net_send: Number | None = None
    uptime: Number | None = None
    temperature: Number | None = None
    """The hottest CPU sensor."""
    processes: Whole | None = None
    boot_id: str = ""


class Driver(Struct, frozen=True, kw_only=True):
    """Where the GPU readings come from."""

    source: str = "none"
    """`nvml`, `nvidia-smi` or `none`."""
    version: str | None = None
    cuda: str | None = None
    """Newest CUDA that the driver supports, such as 12.4."""
    nvml: str | None = None
    simulated: bool = False


class Fault(Struct, frozen=True, kw_only=True):
    """Why there are no GPU readings, or fewer than there should be."""

    code: str
    """`no-device`, `no-driver`, `mismatch`, `permission`, `no-library`, `hang`, `error`."""
    detail: str = ""
    """The driver's own words."""
    kernel_version: str | None = None
    """Version of the loaded kernel module (mismatch)."""
    library_version: str | None = None
    """Version of libnvidia-ml on disk (mismatch)."""
    looked: tuple[str, ...] = ()
    """Paths and commands that were tried, in order."""


class Cost(Struct, frozen=True, kw_only=True):
    """The cost of the probe itself on the box."""

    cpu: Number | None = None
    """Percent of one core, over the last ten seconds."""
    memory: Whole | None = None
    python: str = ""
    """Version of the Python that runs it; empty for the plain sh probe."""
    tick: Number | None = None
    """Milliseconds that the last reading took."""


class Sample(Struct, frozen=True, kw_only=True):
    """One reading of a box."""

    v: Whole = WIRE
    seq: Whole = 0
    time: Moment = 0.0
    interval: Annotated[float, Meta(gt=0, le=3600)] = 1.0
    """Seconds to the next one."""
    host: Host = Host()
    driver: Driver = Driver()
    gpus: tuple[Gpu, ...] = ()
    processes: tuple[Process, ...] = ()
    faults: tuple[Fault, ...] = ()
    probe: Cost = Cost()
    pong: Whole | None = None
    """Number of the last heartbeat that came in; gives the round trip."""
    jobs: Moment | None = None
    """When a job of ours last changed its state; None on a box that never ran one."""


def memory_share(used: int | None, total: int | None) -> float | None:
    """Return used / total in percent, or None when either is unknown or the total is 0."""
    return share(used, total)
