"""The parts that the samples are put together from: cards, processes and a host with everything known."""

from __future__ import annotations

from msgspec.structs import replace

from gpubox.core.sample import Cost, Disk, Driver, Gpu, Host, Process, RemappedRows

NOW = 1_763_901_234.0
"""The moment of every sample here, in seconds since the epoch."""
MIB = 1024**2
GIB = 1024**3
TIB = 1024**4
UUID_1070 = "GPU-1d3f6c0e-1070-4a7b-9a51-2f0c7d1e8b10"
UUID_4090 = "GPU-77ab0c42-4090-4e19-8d0f-6b1a2c3d4e5f"


def host(**changes: object) -> Host:
    """A home deep-learning machine in the middle of a training; `changes` replace fields."""
    full = Host(
        hostname="xub",
        distribution="Ubuntu 22.04.5 LTS",
        kernel="6.8.0-60-generic",
        cpu_model="AMD Ryzen 7 5800X 8-Core Processor",
        machine="x86_64",
        cpu=38.4,
        cores=(92.0, 41.0, 33.0, 18.0, 97.0, 12.0, 8.0, 5.0, 61.0, 44.0, 27.0, 15.0, 3.0, 0.0, 100.0, 38.0),
        load=(6.21, 5.74, 4.02),
        memory_total=64 * GIB,
        memory_available=37 * GIB,
        swap_total=8 * GIB,
        swap_used=312 * MIB,
        disks=(
            Disk(mount="/", device="/dev/nvme0n1p2", filesystem="ext4", used=412 * GIB, total=fraction(931)),
            Disk(
                mount="/data",
                device="/dev/sda1",
                filesystem="ext4",
                used=fraction(3350),
                total=fraction(3726),
            ),
        ),
        disk_read=182.0 * MIB,
        disk_write=3.4 * MIB,
        net_receive=41_000.0,
        net_send=9_300.0,
        uptime=12 * 86400 + 3 * 3600 + 41,
        temperature=67.0,
        processes=412,
        boot_id="5f0a7a3e-6a5a-4a5e-8e5b-6a2e3f8f2d11",
    )
    return replace(full, **changes)


def fraction(gibibytes: float) -> int:
    """Whole bytes of so many GiB."""
    return int(gibibytes * GIB)


def gtx_1070(**changes: object) -> Gpu:
    """A card that does not know half of what newer ones tell."""
    not_supported = "Not Supported"
    card = Gpu(
        index=0,
        uuid=UUID_1070,
        name="NVIDIA GeForce GTX 1070",
        bus="00000000:01:00.0",
        util=97.0,
        memory_util=61.0,
        memory_used=7_312 * MIB,
        memory_total=8_192 * MIB,
        temperature=79.0,
        temperature_slowdown=92.0,
        temperature_shutdown=97.0,
        fan=64.0,
        power=148.2,
        power_limit=151.0,
        clock_sm=1835,
        clock_sm_max=1987,
        clock_memory=3802,
        clock_memory_max=4004,
        pstate=2,
        throttle=0x4,
        pcie_gen=3,
        pcie_gen_max=3,
        pcie_width=16,
        pcie_width_max=16,
        encoder=0.0,
        decoder=0.0,
        persistence=True,
        compute_mode="Default",
        display_active=True,
        missing={
            "temperature_memory": not_supported,
            "energy": not_supported,
            "ecc_corrected": not_supported,
            "ecc_uncorrected": not_supported,
            "remapped_rows": not_supported,
            "retired_pages": not_supported,
            "mig": not_supported,
        },
    )
    return replace(card, **changes)


def rtx_4090(**changes: object) -> Gpu:
    """A card of today at work, calm."""
    card = Gpu(
        index=1,
        uuid=UUID_4090,
        name="NVIDIA GeForce RTX 4090",
        bus="00000000:02:00.0",
        util=71.0,
        memory_util=38.0,
        memory_used=fraction(15.3),
        memory_total=24_564 * MIB,
        temperature=61.0,
        temperature_slowdown=87.0,
        temperature_shutdown=92.0,
        temperature_memory=74.0,
        fan=42.0,
        power=311.0,
        power_limit=450.0,
        energy=8_412_330.0,
        clock_sm=2730,
        clock_sm_max=3120,
        clock_memory=10501,
        clock_memory_max=10501,
        pstate=2,
        throttle=0x0,
        pcie_gen=4,
        pcie_gen_max=4,
        pcie_width=8,
        pcie_width_max=16,
        encoder=0.0,
        decoder=12.0,
        ecc_corrected=0,
        ecc_uncorrected=0,
        remapped_rows=RemappedRows(),
        persistence=True,
        compute_mode="Default",
        display_active=False,
        mig=None,
        missing={"mig": "Not Supported", "retired_pages": "Not Supported"},
    )
    return replace(card, **changes)


DRIVER = Driver(source="nvml", version="550.144.03", cuda="12.4", nvml="12.550.144.03")
COST = Cost(cpu=0.6, memory=21 * MIB, python="3.10.12", tick=2.8)


def gpu_process(pid: int, gpu: int, user: str, command: str, **changes: object) -> Process:
    """A compute process with everything known."""
    name = command.split(" ", 1)[0].rsplit("/", 1)[-1]
    process = Process(
        pid=pid,
        gpu=gpu,
        kind="C",
        user=user,
        name=name,
        command=command,
        gpu_memory=3_480 * MIB,
        sm=48.0,
        cpu=104.0,
        memory=fraction(5.2),
        started=NOW - 2 * 3600 - 300,
        state="R",
    )
    return replace(process, **changes)


def host_process(pid: int, user: str, command: str, cpu: float, memory: int) -> Process:
    """A busy process that touches no GPU."""
    name = command.split(" ", 1)[0].rsplit("/", 1)[-1]
    return Process(
        pid=pid,
        user=user,
        name=name,
        command=command,
        cpu=cpu,
        memory=memory,
        started=NOW - 86400 - pid,
        state="S",
    )


def h100(index: int, **changes: object) -> Gpu:
    """One of eight, each with another load."""
    card = Gpu(
        index=index,
        uuid=f"GPU-{index:08x}-b200-4ac1-8b1d-00000000{index:04x}",
        name="NVIDIA H100 80GB HBM3",
        bus=f"00000000:{0x18 + 8 * index:02X}:00.0",
        util=(99.0, 98.0, 100.0, 97.0, 0.0, 0.0, 54.0, 12.0)[index % 8],
        memory_util=(44.0, 43.0, 46.0, 41.0, 0.0, 0.0, 22.0, 3.0)[index % 8],
        memory_used=fraction((71.2, 71.2, 71.2, 70.9, 0.6, 0.6, 33.0, 78.6)[index % 8]),
        memory_total=81_559 * MIB,
        temperature=(64.0, 61.0, 66.0, 63.0, 31.0, 30.0, 48.0, 41.0)[index % 8],
        temperature_slowdown=87.0,
        temperature_shutdown=92.0,
        temperature_memory=(74.0, 72.0, 77.0, 73.0, 40.0, 39.0, 58.0, 51.0)[index % 8],
        power=(689.0, 671.0, 698.0, 660.0, 71.0, 69.0, 322.0, 124.0)[index % 8],
        power_limit=700.0,
        energy=912_233_000.0,
        clock_sm=1980 if index % 8 not in (4, 5) else 345,
        clock_sm_max=1980,
        clock_memory=2619,
        clock_memory_max=2619,
        pstate=0,
        throttle=0x4 if index == 2 else 0x1 if index % 8 in (4, 5) else 0,
        pcie_gen=5,
        pcie_gen_max=5,
        pcie_width=16,
        pcie_width_max=16,
        encoder=0.0,
        decoder=0.0,
        ecc_corrected=3 if index == 6 else 0,
        ecc_uncorrected=0,
        remapped_rows=RemappedRows(),
        mig=False,
        persistence=True,
        compute_mode="Default",
        display_active=False,
        missing={"fan": "Not Supported", "retired_pages": "Not Supported"},
    )
    return replace(card, **changes)
