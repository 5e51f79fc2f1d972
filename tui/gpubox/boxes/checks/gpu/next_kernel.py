"""Whether the kernel that starts at the next boot has the driver."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok, unknown, warning
from gpubox.boxes.checks.gpu.facts import GpuFacts, PackageFacts
from gpubox.boxes.checks.system.facts import SystemFacts
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts, packages, system = gathered.of(GpuFacts), gathered.of(PackageFacts), gathered.of(SystemFacts)
    if facts.platform or facts.container:
        return not_here("The kernel belongs to the host")
    newest = system.newest_kernel
    if not newest or not packages.modules_known:
        return unknown(
            "The modules of the installed kernels cannot be listed", "ls /lib/modules/*/updates/dkms"
        )
    shown = clean(newest, 60)
    if newest in packages.built:
        return ok(f"Kernel {shown} has it", value="yes")
    if system.kernel not in packages.built:
        return unknown(f"The driver that runs is not among the modules of kernel {clean(system.kernel, 60)}")
    if packages.autobuilt:
        return hint(
            f"Kernel {shown} has no driver yet; akmods builds it at the boot, which takes minutes",
            f"sudo akmods --kernels {shown}, before the reboot",
            value="no",
        )
    return warning(
        f"Kernel {shown} starts at the next boot, and has no driver",
        f"Install its headers, then sudo dkms autoinstall -k {shown}"
        if packages.dkms
        else "Install the driver's modules for it before the next reboot",
        value="no",
        details=tuple(f"{row.module}/{row.version} {row.kernel} {row.state}" for row in packages.dkms[:6]),
    )


CHECK = Check(
    id="gpu.next-kernel",
    title="The kernel of the next boot has the driver",
    why="A new kernel comes with an update, and waits until the next reboot. If the driver was not built "
    "for it, because headers are missing or the build failed, the box comes back without GPUs, usually at "
    "the worst moment.",
    command="dkms status; ls /lib/modules; grep -l nvidia /lib/modules/*/modules.dep",
    needs=(GpuFacts, PackageFacts, SystemFacts),
    judge=_judge,
    depends_on=("gpu.driver",),
)
