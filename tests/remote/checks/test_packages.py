"""The facts of the driver's packages, from recorded outputs of package managers."""

from __future__ import annotations

import msgspec
import pytest

from gpubox.boxes.checks.gpu.facts import LockFile, PackageFacts
from gpubox.remote.checks import packages
from tests.remote.checks.alone import alone, script
from tests.remote.checks.trees import Tree

__all__ = ["alone"]

POLICY = """nvidia-driver-580:
  Installed: 580.95.05-0ubuntu0.24.04.1
  Candidate: 580.105.08-0ubuntu0.24.04.1
  Version table:
     580.105.08-0ubuntu0.24.04.1 500
        500 http://archive.example noble-updates/restricted amd64 Packages
 *** 580.95.05-0ubuntu0.24.04.1 100
        100 /var/lib/dpkg/status
cuda-drivers:
  Installed: 580.95.05-1ubuntu1
  Candidate: 590.44.01-1ubuntu1
libcudnn9-cuda-12:
  Installed: 9.10.2.21-1
  Candidate: 9.10.2.21-1
gone:
  Installed: (none)
  Candidate: (none)
"""
DPKG = """ii  nvidia-driver-580 580.95.05-0ubuntu0.24.04.1
hi  cuda-drivers 580.95.05-1ubuntu1
ii  libcudnn9-cuda-12 9.10.2.21-1
rc  nvidia-driver-535 535.247.01
un  nvidia-legacy-340xx-driver
ii  bash 5.2.15-2
"""


def facts() -> PackageFacts:
    return msgspec.json.decode(msgspec.json.encode(packages.gather()), type=PackageFacts)


def debian(tree: Tree) -> None:
    tree.program("apt-cache", POLICY)
    tree.program("dpkg-query", DPKG)
    tree.program("apt-mark", "cuda-drivers\n")
    tree.program("apt-config", 'APT::Periodic::Unattended-Upgrade "1";\n')
    tree.program("unattended-upgrade", "")
    tree.file("/etc/os-release", 'NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="24.04"\n')


def test_an_empty_box_gives_facts(alone: Tree) -> None:
    found = facts()
    assert (found.manager, found.packages, found.automatic, found.headers) == ("", (), None, None)
    assert not found.candidates_known


def test_packages_of_apt_are_read(alone: Tree) -> None:
    debian(alone)
    found = facts()
    assert (found.manager, found.distribution, found.candidates_known) == ("apt", "ubuntu 24.04", True)
    rows = {package.name: (package.version, package.candidate, package.held) for package in found.packages}
    assert rows == {
        "cuda-drivers": ("580.95.05-1ubuntu1", "590.44.01-1ubuntu1", True),
        "nvidia-driver-580": ("580.95.05-0ubuntu0.24.04.1", "580.105.08-0ubuntu0.24.04.1", False),
        "libcudnn9-cuda-12": ("9.10.2.21-1", "", False),
    }
    assert found.packages[-1].name == "libcudnn9-cuda-12"  # the driver comes first


BLOCKED = 'Unattended-Upgrade::Package-Blacklist:: "nvidia-";\n'


@pytest.mark.parametrize(
    ("settings", "automatic", "excluded"),
    [
        ('APT::Periodic::Unattended-Upgrade "1";\n', True, False),
        ('APT::Periodic::Unattended-Upgrade "0";\n', False, False),
        ('APT::Periodic::Unattended-Upgrade "1";\n' + BLOCKED, True, True),
        ('APT::Architecture "amd64";\n', False, False),
    ],
)
def test_automatic_updates_of_apt_are_read(
    alone: Tree, settings: str, automatic: bool, excluded: bool
) -> None:
    debian(alone)
    alone.program("apt-config", settings)
    assert (facts().automatic, facts().excluded) == (automatic, excluded)


def test_updates_are_not_automatic_without_the_program(alone: Tree) -> None:
    debian(alone)
    (alone.programs / "unattended-upgrade").unlink()
    assert facts().automatic is False


def test_pins_of_the_driver_are_found(alone: Tree) -> None:
    debian(alone)
    alone.program("dpkg-query", "ii  nvidia-driver-pinning-580 580-1\n")
    alone.file("/etc/apt/preferences.d/nvidia", "Package: nvidia-*\nPin: version 580.*\nPin-Priority: 1001\n")
    alone.file(
        "/etc/apt/preferences.d/cuda-repository-pin-600", "Package: *\nPin: release l=x\nPin-Priority: 600\n"
    )
    assert facts().pinned == ("nvidia-driver-pinning-580", "/etc/apt/preferences.d/nvidia")


LOCKED = """version = "1.0"

[[packages]]
name = "{}"
comment = "Added by 'versionlock add' command on 2026-10-03 00:35:13"

[[packages.conditions]]
key = "evr"
comparator = "{}"
value = "3:580.105.08-1.fc43"
"""


def test_packages_of_dnf_are_read(alone: Tree) -> None:
    script(
        alone,
        "dnf",
        "echo 'Available upgrades'\necho 'akmod-nvidia.x86_64   3:595.58.03-1.fc43   "
        "rpmfusion-nonfree-updates'\n",
    )
    alone.program(
        "rpm",
        "akmod-nvidia 580.105.08-1.fc43 3\nxorg-x11-drv-nvidia-cuda 580.105.08-1.fc43 0\nbash 5.3-1 0\n",
    )
    alone.program("akmods", "")
    alone.file("/etc/dnf/versionlock.toml", LOCKED.format("xorg-x11-drv-nvidia*", "="))
    alone.file("/etc/systemd/system/timers.target.wants/dnf5-automatic.timer")
    alone.file("/etc/dnf/automatic.conf", "[commands]\napply_updates = yes\n")
    found = facts()
    rows = {package.name: (package.candidate, package.held) for package in found.packages}
    assert rows == {"akmod-nvidia": ("595.58.03-1.fc43", False), "xorg-x11-drv-nvidia-cuda": ("", True)}
    assert [package.epoch for package in found.packages] == [3, 0]
    assert (found.manager, found.automatic, found.excluded, found.autobuilt) == ("dnf", True, False, True)


def test_packages_of_pacman_are_read(alone: Tree) -> None:
    script(
        alone,
        "pacman",
        'case "$1" in -Qu) echo "nvidia-dkms 580.119.02-1 -> 590.44.01-1";;\n'
        '*) printf "nvidia-dkms 580.119.02-1\\nnvidia-utils 580.119.02-1\\nbash 5.3-1\\n";; esac\n',
    )
    alone.file("/etc/pacman.conf", "[options]\nIgnorePkg = nvidia-utils linux\n#IgnorePkg = nvidia-dkms\n")
    found = facts()
    rows = {package.name: (package.candidate, package.held) for package in found.packages}
    assert rows == {"nvidia-dkms": ("590.44.01-1", False), "nvidia-utils": ("", True)}
    assert (found.manager, found.automatic) == ("pacman", False)


def test_the_states_of_dkms_are_read(alone: Tree) -> None:
    alone.program(
        "dkms",
        "nvidia/580.95.05, 6.8.0-50-generic, x86_64: installed\nnvidia/580.95.05: added\n"
        "nvidia, 470.256.02, 5.10.0-30-amd64, x86_64: built\nzfs/2.2.2, 6.8.0, x86_64: installed\n",
    )
    assert [(row.version, row.kernel, row.state) for row in facts().dkms] == [
        ("580.95.05", "6.8.0-50-generic", "installed"),
        ("580.95.05", "", "added"),
        ("470.256.02", "5.10.0-30-amd64", "built"),
    ]


def test_kernels_with_the_driver_are_found(alone: Tree) -> None:
    modules = "/lib/modules/{}/modules.dep"
    alone.file(modules.format("6.8.0-45-generic"), "kernel/x.ko:\nupdates/dkms/nvidia.ko.zst:\n")
    alone.file(modules.format("6.8.0-50-generic"), "kernel/nvidia-580/nvidia.ko: kernel/y.ko\n")
    alone.file(
        modules.format("6.8.0-60-generic"), "kernel/drivers/platform/x86/nvidia-wmi-ec-backlight.ko:\n"
    )
    alone.file(modules.format("6.12.1-amd64"), "updates/dkms/nvidia-current.ko.xz:\n")
    alone.file("/proc/sys/kernel/osrelease", "6.8.0-50-generic\n")
    found = facts()
    assert found.built == ("6.12.1-amd64", "6.8.0-45-generic", "6.8.0-50-generic")
    assert (found.modules_known, found.headers) == (True, False)
    alone.file("/lib/modules/6.8.0-50-generic/build/Makefile")
    assert facts().headers is True


@pytest.mark.parametrize(
    ("name", "hold", "held"),
    [
        ("nvidia-driver-580", "nvidia-driver-580", True),
        ("nvidia-driver-580", "nvidia-driver-580:amd64", True),
        ("nvidia-driver-580", "nvidia-*", True),
        ("nvidia-driver-580", "nvidia", False),
        ("nvidia", "nvidia?", False),
    ],
)
def test_holds_may_have_wildcards(name: str, hold: str, held: bool) -> None:
    assert packages.matches(name, hold) is held


def test_a_lock_of_dnf4_is_read(alone: Tree) -> None:
    alone.file(
        "/etc/dnf/plugins/versionlock.list",
        "# Added\nnvidia-driver-3:580.105.08-1.fc41.*\nkernel-6.8.0-1.*\n",
    )
    assert packages.held("dnf") == ["nvidia-driver", "kernel"]


def test_an_entry_of_dnf_that_leaves_one_version_out_is_no_lock(alone: Tree) -> None:
    alone.file("/etc/dnf/versionlock.toml", LOCKED.format("akmod-nvidia", "!="))
    alone.file("/etc/dnf/plugins/versionlock.list", "!nvidia-driver-3:595.45.04-1.fc41.*\n")
    assert packages.held("dnf") == []


ZYPP = """
type: package
match_type: glob
case_sensitive: on
solvable_name: nvidia-open*

repo: Updates
type: package
match_type: glob
solvable_name: nvidia-driver

type: pattern
match_type: glob
solvable_name: devel_basis
"""


def test_locks_of_zypper_are_read(alone: Tree) -> None:
    alone.program("zypper", "")
    alone.program("rpm", "nvidia-open 580.95.05-1 0\nnvidia-driver 580.95.05-1 0\n")
    alone.file("/etc/zypp/locks", ZYPP)
    found = facts()
    assert {package.name: package.held for package in found.packages} == {
        "nvidia-open": True,
        "nvidia-driver": False,
    }
    assert found.lock_file == LockFile("/etc/zypp/locks", "zypp", ZYPP)


SETTINGS = "[main]\nenabled = {}\nlocklist = {}\n"
LIST = "/etc/dnf/plugins/versionlock.list"


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (SETTINGS.format("1", LIST), True),
        (SETTINGS.format("0", LIST), False),
        (SETTINGS.format("1", "/srv/locks"), False),
        ("", False),
    ],
)
def test_dnf4_locks_packages_with_its_plugin(alone: Tree, settings: str, found: bool) -> None:
    alone.program("dnf", "")
    alone.file(LIST, "# mine\n")
    if settings:
        alone.file("/etc/dnf/plugins/versionlock.conf", settings)
    assert facts().lock_file == (LockFile(LIST, "list", "# mine\n") if found else None)


def test_dnf5_locks_packages_without_a_plugin(alone: Tree) -> None:
    alone.program("dnf5", "")
    (alone.programs / "dnf").symlink_to("dnf5")
    assert facts().lock_file == LockFile("/etc/dnf/versionlock.toml", "toml", "")


@pytest.mark.parametrize("data", [b"\xff\n", b"#" * (packages.LOCK_SIZE + 1)])
def test_a_file_of_locks_that_cannot_be_preserved_whole_is_left_alone(alone: Tree, data: bytes) -> None:
    alone.program("zypper", "")
    alone.file("/etc/zypp/locks").write_bytes(data)
    assert facts().lock_file is None


def test_a_failing_package_manager_is_not_an_answer(alone: Tree) -> None:
    script(alone, "pacman", 'case "$1" in -Qu) echo broken >&2; exit 1;; *) echo "nvidia 580-1";; esac\n')
    found = facts()
    assert (found.candidates_known, found.packages[0].candidate) == (False, "")
