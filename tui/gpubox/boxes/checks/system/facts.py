"""Facts of the operating system, as remote/checks/system.py gathers them, and of the two clocks."""

from __future__ import annotations

import re
import time
from typing import ClassVar, Self

import msgspec

from gpubox.boxes.checks.check import CannotLook, Facts, LocalFacts
from gpubox.boxes.checks.unit_state import UnitState
from gpubox.boxes.context import BoxContext
from gpubox.common.rules.rule import DEFAULTS
from gpubox.core.bounds import Moment, Number, Whole
from gpubox.core.retry import connected


def kernel_version(release: str) -> list[int]:
    """Return the numbers of a kernel's release, for comparison."""
    return [int(number[:9]) for number in re.findall(r"\d+", release)]


def _flavor(release: str) -> str:
    """Return the words of a kernel's release, such as `generic`: others are not updates of it."""
    return re.sub(r"[\d.]+", "", release)


class FileSystem(msgspec.Struct, frozen=True):
    """A file system on a disk, or the folder in which programs work."""

    path: str
    size: Whole = 0
    """Bytes, without what is reserved for root; 0 when it has no size."""
    free: Whole = 0
    """Bytes that a user may still write."""
    inodes: Whole = 0
    """0 where the file system has no fixed number of them."""
    free_inodes: Whole = 0
    read_only: bool = False
    meant: bool = False
    """Whether it is read-only on purpose."""
    kind: str = ""
    """Its type, such as `ext4`; empty for a folder without a file system of its own."""
    network: bool = False
    device: str = ""
    answered: bool = False
    """Whether it said its size in time: a dead network disk never does."""
    fault: str = ""
    """Why it has no size."""
    writable: bool = True
    """Whether this login may write there; known for folders in which programs work."""
    no_programs: bool = False
    """Whether it is mounted with `noexec`."""


class DiskHealth(msgspec.Struct, frozen=True):
    """A disk of this machine, and what it says of its own health."""

    name: str
    """Such as `nvme0n1`."""
    model: str = ""
    healthy: bool | None = None
    """None where it could not be asked."""
    used: Whole | None = None
    """Percent of the writes that it was built for."""
    errors: Whole | None = None
    """Sectors that cannot be read."""
    by: str = ""
    """Who asked it: `smartctl`, `nvme` or `udisks`."""


class Updates(msgspec.Struct, frozen=True):
    """Updates of the distribution."""

    manager: str = ""
    """`apt`, `dnf`, `zypper`, `pacman`, `apk`, or empty for one that is not known here."""
    automatic: bool | None = None
    """Whether security updates are installed by themselves."""
    pending: Whole | None = None
    security: Whole | None = None
    """How many of the pending ones are of security."""
    lists_age: Number | None = None
    """Seconds since the lists of packages were fetched."""


class DesktopSleep(msgspec.Struct, frozen=True):
    """A desktop that suspends the machine when nobody types."""

    desktop: str
    action: str
    seconds: Whole


class SystemFacts(Facts, frozen=True):
    """The operating system."""

    SECTION: ClassVar[str] = "system"

    time: Moment
    """Seconds since the epoch, by the clock of the box."""
    kernel: str
    """Release of the running kernel."""
    kernels: tuple[str, ...] = ()
    """Releases of the installed kernels."""
    reboot: bool = False
    """Whether the distribution left its mark that it wants a reboot."""
    reboot_packages: tuple[str, ...] = ()
    slept: Number | None = None
    """Seconds that the box slept since it was booted."""
    masked: tuple[str, ...] = ()
    """Sleep targets of systemd that are masked."""
    can_suspend: bool | None = None
    idle: str = ""
    """IdleAction of logind; empty where it is not set."""
    lid: str = ""
    """HandleLidSwitch of logind; empty where it is not set."""
    has_lid: bool = False
    kill_user_processes: str = ""
    """KillUserProcesses of logind; empty where it is not set, and the distribution's default holds."""
    kill_file: str = ""
    """The file of logind that sets it, the last one that does; empty for none."""
    kill_excludes: tuple[str, ...] = ("root",)
    """Users whose processes are not killed."""
    desktop_sleeps: tuple[DesktopSleep, ...] = ()
    greeter: bool = False
    """Whether the login screen of GNOME runs."""
    synced: bool | None = None
    """Whether the network keeps the clock right; None where the box does not say."""
    clock_clients: tuple[str, ...] = ()
    """Programs that run to keep the clock right."""
    clock_units: tuple[UnitState, ...] = ()
    """Services that are installed to keep the clock right."""
    systemd: bool = False
    container: str = ""
    user: str = ""
    home: str = ""
    root: bool = False
    """Whether the facts were gathered as root."""
    linger: bool = False
    """Whether user services outlive the last login."""
    log: str = ""
    """`journal` or `syslog`, where the log outlives a reboot, else `memory`; empty when unknown."""
    mounts: tuple[FileSystem, ...] = ()
    tmp: FileSystem | None = None
    shm: FileSystem | None = None
    """Shared memory, /dev/shm."""
    disks: tuple[DiskHealth, ...] = ()
    updates: Updates | None = None
    memory: Whole | None = None
    """Bytes."""
    available: Whole | None = None
    """Bytes of memory that programs could still get."""
    swap: Whole | None = None
    """Bytes."""

    @property
    def bare(self) -> bool:
        """Whether this is a container of one program, which has no system of its own."""
        return bool(self.container) and not self.systemd

    @property
    def newest_kernel(self) -> str:
        """The newest installed kernel of the running one's flavor; empty when none is installed."""
        alike = (release for release in self.kernels if _flavor(release) == _flavor(self.kernel))
        return max(alike, key=kernel_version, default="")


class DiskLimits(LocalFacts, frozen=True):
    """From where a disk counts as nearly full and as full: `thresholds.disk` in the settings of the box."""

    percent: tuple[float, float] = DEFAULTS.disk
    """Of its bytes or inodes: (warning, critical)."""

    @classmethod
    async def gather(cls, context: BoxContext) -> Self:
        """Return those of the box; raises nothing."""
        return cls(context.settings.limits.disk)


class LaptopClock(LocalFacts, frozen=True):
    """How far the clock of the box is from this machine's."""

    offset: Number = 0.0
    """Seconds that the box is ahead."""
    uncertainty: Number = 0.0
    """Seconds by which the offset may be wrong: half of the time that the question took."""

    @classmethod
    async def gather(cls, context: BoxContext) -> Self:
        """Ask the box for its time; raises CannotLook, and as Shell.run."""
        shell = connected(context.shell, context.name)
        before = time.time()
        result = await shell.run("date +%s.%N")
        return cls.between(before, time.time(), result.stdout)

    @classmethod
    def between(cls, before: float, after: float, answer: bytes) -> Self:
        """Return what an answer says that came between two moments of this machine; raises CannotLook.

        Rc files may print before it, and a `date` without nanoseconds prints the letter N.
        """
        said = answer.decode("ascii", "replace").split()
        whole, _, part = (said[-1] if said else "").partition(".")
        if not (whole.isdecimal() and len(whole) <= 12):
            raise CannotLook("The box did not say its time")
        exact = part.isdecimal() and len(part) == 9
        moment = int(whole) + (int(part) / 1e9 if exact else 0.5)
        uncertainty = max(0.0, after - before) / 2 + (0.0 if exact else 0.5)
        return cls(moment - (before + after) / 2, uncertainty)
