"""Whether secure boot lets the driver in: off, or the module signed with a key that the firmware trusts."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, not_here, ok, unknown
from gpubox.boxes.checks.gpu.cards import optional
from gpubox.boxes.checks.gpu.facts import GpuFacts, KernelFacts, PackageFacts
from gpubox.core.sanitize import clean

_SIGN = (
    "Sign it with a key of your own and enroll that by `sudo mokutil --import KEY.der`: the next boot asks "
    "for it at the console, so this needs a screen and a keyboard at the box; or turn secure boot off in "
    "the firmware"
)
_UBUNTU = (
    "Install Ubuntu's signed modules, linux-modules-nvidia-580-open-generic or that of your branch and "
    "kernel, in place of the DKMS package: they need no key of your own"
)


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(GpuFacts)
    if facts.platform or facts.container:
        return not_here("The kernel belongs to the host")
    if facts.secure_boot is None and not facts.efi:
        return ok("The box was not booted by EFI: nothing has to be signed", value="no EFI")
    if facts.secure_boot is None:
        return unknown("The firmware does not say whether secure boot is on", "mokutil --sb-state")
    if not facts.secure_boot:
        if facts.lockdown in ("integrity", "confidentiality") and not facts.version:
            return failed(
                f"Secure boot is off, but the kernel is locked down ({facts.lockdown}): it loads signed "
                "modules only",
                "Remove lockdown= from the kernel's command line, then reboot",
                value="lockdown",
            )
        return ok("Secure boot is off", value="off")
    if facts.version:
        signer = f", signed by {clean(facts.disk_signer, 60)}" if facts.disk_signer else ""
        return ok(f"Secure boot is on, and the driver is loaded{signer}", value="on")
    return _not_loaded(gathered, facts)


def _not_loaded(gathered: Gathered, facts: GpuFacts) -> Result:
    """Judge a box with secure boot whose driver is not loaded."""
    kernel, packages = optional(gathered, KernelFacts), optional(gathered, PackageFacts)
    step = _UBUNTU if packages and packages.distribution.startswith("ubuntu") else _SIGN
    refused = [m.text for m in kernel.messages if m.kind in ("rejected", "lockdown")] if kernel else []
    if not facts.disk_version:
        return hint(
            "Secure boot is on: the driver that you install has to be signed", step, value="on, no driver"
        )
    if not facts.disk_signer:
        return failed("Secure boot is on, and the driver's module is not signed", step, value="on, unsigned")
    if refused:
        return failed(
            f"Secure boot is on, and the key of {clean(facts.disk_signer, 60)} is not trusted",
            step,
            value="on, not trusted",
            details=(clean(refused[-1], 160),),
        )
    return hint(
        f"Secure boot is on; the module is signed by {clean(facts.disk_signer, 60)}, whose key may not be "
        "enrolled",
        "mokutil --list-enrolled names the trusted keys",
        value="on, signed",
    )


CHECK = Check(
    id="gpu.secure-boot",
    title="Secure boot lets the driver in",
    why="With secure boot the kernel loads only modules with a signature that the firmware trusts. A "
    "driver that DKMS builds is signed with a key of the box, which somebody at the console has to enroll "
    "once, at a boot. Distributions also ship modules that are signed already. To turn secure boot off "
    "works, too, and costs the protection against changed boot loaders. Nothing of this can be done over "
    "ssh alone.",
    command="mokutil --sb-state; modinfo -F signer nvidia; cat /sys/kernel/security/lockdown",
    needs=(GpuFacts, KernelFacts, PackageFacts),
    judge=_judge,
    depends_on=("gpu.bus",),
)
