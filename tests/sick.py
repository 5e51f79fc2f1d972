"""Readings of boxes with something wrong, and one that means harm."""

from __future__ import annotations

from msgspec.structs import replace

from gpubox.core.sample import (
    Disk,
    Driver,
    Fault,
    Gpu,
    RemappedRows,
    Sample,
)
from tests.parts import GIB, MIB, NOW, UUID_4090, fraction, gtx_1070, host, rtx_4090
from tests.well import processes, training_box


def lost_gpu() -> Sample:
    """The 4090 fell off the bus half a minute ago; the 1070 works on."""
    lost = Gpu(
        index=1,
        uuid=UUID_4090,
        name="NVIDIA GeForce RTX 4090",
        bus="00000000:02:00.0",
        lost_at=NOW - 31,
        fault="GPU is lost",
        xid=79,
        xid_at=NOW - 31,
    )
    box = training_box()
    saved = tuple(process for process in box.processes if process.gpu != 1)
    return replace(box, gpus=(box.gpus[0], lost), processes=saved)


def mismatch() -> Sample:
    """The driver was updated under a running kernel module."""
    fault = Fault(
        code="mismatch",
        detail="Driver/library version mismatch",
        kernel_version="550.120",
        library_version="550.144.03",
        looked=("libnvidia-ml.so.1",),
    )
    return replace(
        training_box(),
        gpus=(),
        driver=Driver(source="none", version="550.120", nvml="550.144.03"),
        processes=tuple(
            replace(process, gpu=None, kind="", gpu_memory=None, sm=None) for process in processes()
        ),
        faults=(fault,),
    )


def no_driver() -> Sample:
    """A card in the slot and no driver for it."""
    fault = Fault(
        code="no-driver",
        detail="01:00.0 VGA compatible controller: NVIDIA Corporation GP104 [GeForce GTX 1070]",
        looked=("/proc/driver/nvidia/version", "libnvidia-ml.so.1", "nvidia-smi"),
    )
    return replace(mismatch(), driver=Driver(), faults=(fault,))


def no_device() -> Sample:
    """A machine without any NVIDIA device."""
    fault = Fault(
        code="no-device",
        looked=(
            "/proc/driver/nvidia/version",
            "/dev/nvidia*",
            "/sys/bus/pci/devices (vendor 0x10de)",
            "nvidia-smi",
        ),
    )
    return replace(mismatch(), driver=Driver(), faults=(fault,))


def hot_and_throttled() -> Sample:
    """Two sick cards: one cooks, one starves behind a bad riser and loses memory rows."""
    hot = gtx_1070(temperature=93.0, fan=100.0, clock_sm=1012, throttle=0x20 | 0x4, memory_used=8_090 * MIB)
    sick = rtx_4090(
        throttle=0x80,
        pcie_gen=1,
        pcie_width=4,
        ecc_corrected=1207,
        ecc_uncorrected=2,
        power=449.0,
        remapped_rows=RemappedRows(correctable=4, uncorrectable=2, pending=True),
        retired_pages=3,
        xid=63,
        xid_at=NOW - 720,
    )
    machine = host(
        memory_available=2 * GIB,
        swap_used=fraction(7.6),
        temperature=97.0,
        cpu=99.0,
        load=(44.0, 31.2, 20.7),
        disks=(
            Disk(
                mount="/", device="/dev/nvme0n1p2", filesystem="ext4", used=fraction(928), total=fraction(931)
            ),
            Disk(
                mount="/data",
                device="/dev/sda1",
                filesystem="ext4",
                used=fraction(100),
                total=fraction(3726),
                read_only=True,
            ),
        ),
    )
    return replace(training_box(), gpus=(hot, sick), host=machine)


HOSTILE = (
    "\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "[red]not markup[/] [@click=app.quit]press[/]",
    "\u202egnp.exe\u202c \u2066isolate\u2069",
    "two\nlines\rand\ttab",
    "\x9b31m c1 \x00 nul \x7f",
    "宽字 émoji 👩\u200d💻 e\u0301",
    "sed s/[/x/ [",
    "x" * 1_000_000,
)
"""Text that a careless program would hand to the terminal."""


def hostile(text: str = "".join(HOSTILE[:-1])) -> Sample:
    """The training box with `text` wherever the box names something, not cleaned by any decoder."""
    box = training_box()
    return replace(
        box,
        host=replace(
            box.host,
            hostname=text,
            distribution=text,
            kernel=text,
            cpu_model=text,
            disks=(Disk(mount=text, device=text, filesystem=text, used=1, total=2),),
        ),
        driver=replace(box.driver, version=text, cuda=text),
        gpus=tuple(
            replace(
                gpu, name=text, bus=text, compute_mode=text, fault=text, missing={"fan": text, text: text}
            )
            for gpu in box.gpus
        ),
        processes=tuple(
            replace(process, name=text, command=text, user=text, env=text, container=text)
            for process in box.processes
        ),
        faults=(Fault(code="error", detail=text, looked=(text,)),),
    )
