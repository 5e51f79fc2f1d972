"""Whether NVIDIA's driver is loaded, and else what keeps it out."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, not_here, ok
from gpubox.boxes.checks.gpu.cards import cards_of, counted, driver_version, install_step, optional
from gpubox.boxes.checks.gpu.facts import GpuFacts, KernelFacts, PackageFacts
from gpubox.boxes.checks.system.facts import SystemFacts
from gpubox.core.sanitize import clean

_REFUSED = {
    "needs-open": (
        "The card needs the open kernel modules, and the proprietary one is installed",
        "Install the open flavor of the same branch, such as nvidia-driver-580-open, then reboot",
    ),
    "ignored": (
        "The installed driver does not drive this card any more",
        "Install the last branch that does; gpu.branch names it",
    ),
    "rejected": (
        "The kernel rejected the driver's module: its signature is missing or not trusted",
        "See gpu.secure-boot",
    ),
    "lockdown": (
        "The kernel is locked down and loads no module without a trusted signature",
        "See gpu.secure-boot",
    ),
    "taken": (
        "Another kernel driver owns the card",
        "lspci -k -d 10de: names it; NVIDIA's driver gets the card after that one is blocked, and a reboot",
    ),
}
"""Messages of the kernel that say why a module on disk is not loaded."""


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(GpuFacts)
    version = driver_version(facts)
    if version:
        kind = f", {facts.flavor} kernel module" if facts.flavor else ""
        return ok(f"Driver {clean(version, 30)} is loaded{kind}", value=clean(version, 30))
    if facts.platform == "tegra":
        return ok("The driver is part of the system of this board", value="tegra")
    if facts.container and not facts.nodes:
        return not_here(
            "This container was given no GPU; started with `--gpus all`, or the option of its engine, it "
            "has them"
        )
    if "nouveau" in (facts.modules or ()):
        return failed(
            "The free driver nouveau is loaded, which runs no CUDA",
            install_step(optional(gathered, PackageFacts), cards_of(facts)),
            value="nouveau",
        )
    return _on_disk(gathered, facts) if facts.disk_version else _missing(gathered, facts)


def _on_disk(gathered: Gathered, facts: GpuFacts) -> Result:
    """Judge a driver that is built for the running kernel and is not loaded."""
    kernel = optional(gathered, KernelFacts)
    kinds = {message.kind: message.text for message in kernel.messages} if kernel else {}
    for kind, (text, step) in _REFUSED.items():
        if kind in kinds:
            return failed(text, step, value="no", details=(clean(kinds[kind], 160),))
    if facts.secure_boot and not facts.disk_signer:
        return failed(
            "Secure boot is on, and the driver's module is not signed", "See gpu.secure-boot", value="no"
        )
    return failed(
        f"Driver {clean(facts.disk_version, 30)} is installed and not loaded",
        "sudo modprobe nvidia; when that fails, the end of `sudo dmesg` says why",
        value="no",
    )


def _missing(gathered: Gathered, facts: GpuFacts) -> Result:
    """Judge a kernel that has no module of the driver."""
    packages, system = optional(gathered, PackageFacts), optional(gathered, SystemFacts)
    kernel = clean(system.kernel, 60) if system else "that runs"
    if packages is None or not (packages.dkms or packages.built or packages.packages):
        if not facts.has_modinfo and packages is None:
            return failed("The kernel module nvidia is not loaded", "sudo modprobe nvidia", value="no")
        return failed(
            f"No driver is installed for {counted([card.name for card in cards_of(facts)])}",
            install_step(packages, cards_of(facts)),
            value="no",
        )
    if packages.dkms and packages.headers is False:
        return failed(
            f"The driver is not built for kernel {kernel}, whose headers are missing",
            _headers_step(packages),
            value="no",
        )
    if packages.dkms:
        return failed(
            f"The driver is not built for kernel {kernel}",
            "sudo dkms autoinstall; its log is in /var/lib/dkms/nvidia/*/build/make.log",
            value="no",
            details=tuple(
                f"{row.module}/{row.version} {row.kernel} {row.state}" for row in packages.dkms[:6]
            ),
        )
    if packages.built:
        return failed(
            f"Kernel {kernel} runs without a driver; {clean(packages.built[-1], 60)} has one",
            "Install the driver's modules for this kernel, or boot that one",
            value="no",
        )
    return failed(
        f"Packages of the driver are installed, and kernel {kernel} has no module of it",
        install_step(packages, cards_of(facts)),
        value="no",
        details=tuple(f"{package.name} {package.version}" for package in packages.packages[:5]),
    )


def _headers_step(packages: PackageFacts) -> str:
    install = {
        "apt": "sudo apt install linux-headers-$(uname -r)",
        "dnf": "sudo dnf install kernel-devel-$(uname -r)",
        "pacman": "Install the headers package of your kernel, such as linux-headers",
    }.get(packages.manager, "Install the headers of the running kernel")
    return f"{install}; then sudo dkms autoinstall"


CHECK = Check(
    id="gpu.driver",
    title="The driver is loaded",
    why="Without NVIDIA's kernel module no program sees a GPU, and most fall back to the CPU without a "
    "word. After an update of the kernel the module has to be built anew: by DKMS, which needs the "
    "kernel's headers, by akmods, or by a package for exactly that kernel. Secure boot keeps an unsigned "
    "module out, and nouveau holds the card until it is blocked. A new driver costs a reboot, with all "
    "that runs on the box.",
    command="cat /proc/driver/nvidia/version; lsmod | grep -E 'nvidia|nouveau'; dkms status",
    needs=(GpuFacts, KernelFacts, PackageFacts, SystemFacts),
    judge=_judge,
    depends_on=("gpu.bus",),
)
