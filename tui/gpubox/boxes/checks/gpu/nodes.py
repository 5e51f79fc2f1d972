"""Whether this user may use the driver's device files."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, not_here, ok, warning
from gpubox.boxes.checks.gpu.cards import counted
from gpubox.boxes.checks.gpu.facts import GpuFacts
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(GpuFacts)
    paths = [node.path for node in facts.nodes]
    if facts.platform == "tegra":
        return not_here("This board has device files of its own")
    if not paths:
        return warning(
            "The driver is loaded, and has no device files",
            "sudo nvidia-modprobe -u -c 0; nvidia-persistenced makes them at each boot",
            value="none",
        )
    refused = [node for node in facts.nodes if not node.usable]
    if refused:
        node = refused[0]
        user, owner = clean(facts.user, 32), clean(node.group, 32)
        step = f"sudo usermod -aG {owner} {user}, then log in again"
        if owner == "root" or node.mode[-2:-1] not in ("6", "7"):
            step = (
                "Remove the options of nvidia that set NVreg_DeviceFileMode in /etc/modprobe.d, then reboot"
            )
        return failed(
            f"{user or 'This user'} may not use {counted([one.path for one in refused])}",
            step,
            value="refused",
            details=tuple(f"{one.path}  {one.mode}  {one.owner}:{one.group}" for one in refused[:8]),
        )
    if "/dev/dxg" not in paths and "/dev/nvidia-uvm" not in paths:
        return hint(
            "/dev/nvidia-uvm is missing; CUDA makes it at its first start, if nvidia-modprobe is installed",
            "sudo nvidia-modprobe -u -c 0",
            value="no uvm",
        )
    return ok(f"{clean(facts.user, 32) or 'This user'} may use all {len(paths)} device files", value="yes")


CHECK = Check(
    id="gpu.nodes",
    title="This user may use the GPUs",
    why="Programs reach the GPUs by the files /dev/nvidia*. By default every user may use them; an option "
    "of the module, or a rule of udev, can leave them to one group. Who is not in it gets `no CUDA-capable "
    "device`, or the CPU. To join a group takes effect at the next login: this panel, too, has to connect "
    "again.",
    command="ls -l /dev/nvidia*; id",
    needs=(GpuFacts,),
    judge=_judge,
    depends_on=("gpu.driver",),
)
