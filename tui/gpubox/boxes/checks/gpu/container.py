"""Whether containers of this box can use its GPUs."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok
from gpubox.boxes.checks.gpu.cards import counted
from gpubox.boxes.checks.gpu.facts import GpuFacts


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(GpuFacts)
    if facts.container:
        return not_here("This is a container itself")
    if not facts.engines:
        return not_here("Neither Docker nor Podman is installed")
    engines = counted(facts.engines)
    if not facts.toolkit:
        return hint(
            f"{engines} is installed, the NVIDIA container toolkit is not: containers see no GPU",
            "Install nvidia-container-toolkit from NVIDIA's repository, if containers should use the GPUs",
            value="no toolkit",
        )
    if "docker" in facts.engines and facts.docker_runtime is False and not facts.cdi:
        return hint(
            "The toolkit is installed, and Docker's settings do not name its runtime",
            "sudo nvidia-ctk runtime configure --runtime=docker, then restart Docker, which restarts its "
            "containers",
            value="not set up",
        )
    if facts.engines == ("podman",) and not facts.cdi:
        return hint(
            "Podman finds GPUs by a CDI file, and there is none",
            "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml, and again after each update of "
            "the driver",
            value="not set up",
        )
    return ok(f"{engines} can pass GPUs to containers", value="yes")


CHECK = Check(
    id="gpu.container",
    title="Containers can use the GPUs",
    why="A container gets GPUs by the NVIDIA container toolkit: it brings the driver's libraries and "
    "device files in. Without it `docker run --gpus all` fails. To set it up, Docker restarts, and with it "
    "every container that does not survive that.",
    command="nvidia-ctk --version; cat /etc/docker/daemon.json; ls /etc/cdi",
    needs=(GpuFacts,),
    judge=_judge,
    depends_on=("gpu.driver",),
)
