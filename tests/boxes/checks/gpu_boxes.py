"""Makes facts of boxes with GPUs for judges."""

from __future__ import annotations

from datetime import UTC, datetime

from gpubox.boxes.checks.gpu.branches import capability_of
from gpubox.boxes.checks.gpu.facts import (
    DeviceNode,
    DriverPackage,
    GpuFacts,
    PackageFacts,
    PciCard,
    SmiGpu,
    SmiRun,
)
from gpubox.boxes.checks.system.facts import SystemFacts

NOW = datetime(2026, 11, 28, tzinfo=UTC).timestamp()
EVERYONE = "666"


def gpus(*names: str, driver: str = "580.95.05", flavor: str = "open", **more: object) -> GpuFacts:
    """Return the facts of a box on which all is well, with these cards."""
    rows = tuple(
        SmiGpu(
            name,
            capability_of(name),
            driver,
            True,
            "P8",
            f"0000:{place + 1:02x}:00.0",
            memory_used=2 << 20,
            recovery="None",
            processes=(),
        )
        for place, name in enumerate(names)
    )
    cards = tuple(
        PciCard(row.address, "2204", row.name, "nvidia", True, False, 16, 16, 16, 16.0, 16.0, 16.0)
        for row in rows
    )
    nodes = [f"/dev/nvidia{place}" for place in range(len(names))] + ["/dev/nvidiactl", "/dev/nvidia-uvm"]
    facts: dict[str, object] = {
        "cards": cards,
        "modules": ("nvidia", "nvidia_uvm", "nvidia_drm", "nvidia_modeset"),
        "version": driver,
        "flavor": flavor,
        "disk_version": driver,
        "disk_license": "Dual MIT/GPL" if flavor == "open" else "NVIDIA",
        "has_modinfo": True,
        "library": f"/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.{driver}",
        "library_version": driver,
        "smi": SmiRun("/usr/bin/nvidia-smi", True, 0, 0.2, "", rows),
        "persistenced": True,
        "nodes": tuple(DeviceNode(path, EVERYONE, "root", "root") for path in nodes),
        "user": "ada",
        "headless": True,
        **more,
    }
    return GpuFacts(**facts)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def packages(
    *rows: str, manager: str = "apt", distribution: str = "ubuntu 24.04", **more: object
) -> PackageFacts:
    """Return the facts of packages: `nvidia-driver-580 580.95 -> 590.44 held`."""
    found: list[DriverPackage] = []
    for row in rows:
        name, version, *rest = row.split()
        candidate = rest[1] if rest[:1] == ["->"] else ""
        found.append(DriverPackage(name, version, candidate, rest[-1:] == ["held"]))
    facts: dict[str, object] = {
        "packages": tuple(found),
        "candidates_known": True,
        "automatic": False,
        **more,
    }
    return PackageFacts(manager=manager, distribution=distribution, **facts)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def system(
    kernel: str = "6.8.0-50-generic", kernels: tuple[str, ...] = ("6.8.0-50-generic",), now: float = NOW
) -> SystemFacts:
    """Return the facts of a system with these kernels."""
    return SystemFacts(now, kernel, kernels)
