"""Whether the loaded driver and the libraries on disk are of one version."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, ok, warning
from gpubox.boxes.checks.gpu.cards import driver_version
from gpubox.boxes.checks.gpu.facts import GpuFacts
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(GpuFacts)
    if facts.platform or not facts.version:
        return ok("Both belong to the host's system", value=clean(driver_version(facts), 30))
    loaded, library = clean(facts.version, 30), clean(facts.library_version, 30)
    step = "Reboot, when no job runs; programs that run go on until then, new ones fail"
    if facts.container:
        step = "Start this container again: the host's driver was updated under it"
    if not facts.library:
        return warning(
            f"Driver {loaded} is loaded, and its libraries are missing",
            "Install the package with libnvidia-ml and libcuda of that version, such as "
            "libnvidia-compute-580",
            value=loaded,
        )
    if library and library != loaded:
        return failed(
            f"The loaded driver is {loaded}, the libraries are {library}: new GPU programs fail",
            step,
            value=f"{loaded}/{library}",
        )
    if facts.disk_version and facts.disk_version != facts.version and not facts.container:
        return warning(
            f"Driver {loaded} is loaded, {clean(facts.disk_version, 30)} is on disk",
            "Reboot, when no job runs",
            value=f"{loaded}/{clean(facts.disk_version, 30)}",
        )
    if not library:
        return ok(f"Module is {loaded}; the name of the library does not say its version", value=loaded)
    return ok(f"Module and libraries are {loaded}", value=loaded)


CHECK = Check(
    id="gpu.versions",
    title="Module and libraries have one version",
    why="An update of the driver exchanges the libraries at once; the loaded kernel module stays until a "
    "reboot. From then on every new GPU program fails, with `Driver/library version mismatch` or simply no "
    "GPU. A reboot is the safe cure; to unload the module needs every GPU program and desktop ended first.",
    command="cat /proc/driver/nvidia/version; modinfo -F version nvidia; ls -l /usr/lib/*/libnvidia-ml.so.*",
    needs=(GpuFacts,),
    judge=_judge,
    depends_on=("gpu.driver",),
)
