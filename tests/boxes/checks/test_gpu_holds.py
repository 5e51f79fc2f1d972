"""How the driver's packages are held by a fix whose undo is exact."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from msgspec.structs import replace

from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.checks.gpu.facts import DriverPackage, LockFile, PackageFacts
from tests.boxes.checks.facts import judge
from tests.boxes.checks.gpu_boxes import gpus, packages, system

CARD = gpus("NVIDIA GeForce GTX 1070", flavor="proprietary")
AKMOD = DriverPackage("akmod-nvidia", "580.105.08-1.fc43", "595.58.03-1.fc43", epoch=3)
LIBS = DriverPackage("xorg-x11-drv-nvidia-cuda", "580.105.08-1.fc43", epoch=3)
BUILT = DriverPackage("kmod-nvidia-6.17.5-300.fc43.x86_64", "580.105.08-1.fc43", epoch=3)
TOML = """version = "1.0"

# mine
[[packages]]
name = "bash"
[[packages.conditions]]
key = "evr"
comparator = "="
value = "0:5.3-1.fc43"
"""


def held(manager: str, lock: LockFile | None, *rows: DriverPackage) -> Fix | None:
    found = PackageFacts(manager, packages=rows, candidates_known=True, lock_file=lock)
    return judge("gpu.branch", CARD, found, system()).fix


def text(found: Fix | None) -> str:
    """The new content of the one file that a fix changes; such a change is undone byte by byte."""
    assert found is not None
    assert found.commands == ()
    (edit,) = found.files
    assert edit.text is not None
    return edit.text


@pytest.mark.parametrize("before", ["", TOML, TOML.rstrip()])
def test_dnf5_holds_packages_in_its_file(before: str) -> None:
    after = text(held("dnf", LockFile("/etc/dnf/versionlock.toml", "toml", before), AKMOD))
    assert after.startswith(before)
    data: dict[str, Any] = tomllib.loads(after)
    assert data["version"] == "1.0"
    assert [row for row in data["packages"] if row["name"] != "bash"] == [
        {
            "name": "akmod-nvidia",
            "comment": "Added by gpubox",
            "conditions": [{"key": "evr", "comparator": "=", "value": "3:580.105.08-1.fc43"}],
        }
    ]


def test_what_follows_the_newest_branch_is_held_with_its_other_parts() -> None:
    loose = replace(AKMOD, candidate="")
    after = text(held("dnf", LockFile("/etc/dnf/versionlock.toml", "toml", ""), loose, LIBS, BUILT))
    assert [row["name"] for row in tomllib.loads(after)["packages"]] == ["akmod-nvidia", LIBS.name]
    rest = replace(LIBS, held=True)
    after = text(held("dnf", LockFile("/etc/dnf/versionlock.toml", "toml", ""), loose, rest))
    assert [row["name"] for row in tomllib.loads(after)["packages"]] == ["akmod-nvidia"]


@pytest.mark.parametrize(
    "before",
    [
        TOML.replace('"1.0"', '"2.0"'),
        "# nothing else\n",
        'version = "1.0"\npackages = []\n',
        TOML.replace('"bash"', '"akmod-*"'),  # entries are joined by `or`: ours would hold nothing
        "version = \n",
    ],
)
def test_a_file_of_dnf5_in_which_a_lock_would_hold_nothing_is_left_alone(before: str) -> None:
    assert held("dnf", LockFile("/etc/dnf/versionlock.toml", "toml", before), AKMOD) is None


def test_dnf4_holds_packages_in_the_list_of_its_plugin() -> None:
    path = "/etc/dnf/plugins/versionlock.list"
    assert text(held("dnf", LockFile(path, "list", "# mine\nbash-0:5.3-1.*"), AKMOD)) == (
        "# mine\nbash-0:5.3-1.*\n\n# Added by gpubox\nakmod-nvidia-3:580.105.08-1.fc43.*\n"
    )
    assert held("dnf", None, AKMOD) is None


def test_zypper_holds_packages_in_its_file() -> None:
    row = DriverPackage("nvidia-open", "580.95.05-1")
    lock = LockFile("/etc/zypp/locks", "zypp", "\n# mine\ntype: package\nsolvable_name: vim\n")
    assert text(held("zypper", lock, row)) == lock.text + (
        "\ntype: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: nvidia-open\n"
    )


@pytest.mark.parametrize(
    "row",
    [
        replace(AKMOD, version='580"\nname = "x'),
        replace(AKMOD, name="akmod-nvidia\nbash"),
        replace(AKMOD, name="akmod-nvidia*"),
    ],
)
def test_no_name_or_version_breaks_out_of_its_line(row: DriverPackage) -> None:
    for lock in (
        LockFile("/etc/dnf/versionlock.toml", "toml"),
        LockFile("/etc/dnf/plugins/versionlock.list", "list"),
        LockFile("/etc/zypp/locks", "zypp"),
    ):
        assert held("dnf", lock, row) is None


def test_apt_releases_only_what_it_held() -> None:
    rows = ("libnvidia-compute 580.95 -> 590.44 held", "nvidia-driver-580 580.95 -> 590.44")
    names = ("nvidia-driver-580",)
    found = judge("gpu.branch", CARD, packages(*rows), system()).fix
    assert found is not None
    (command,) = found.commands
    assert (command.do, command.undo) == (("apt-mark", "hold", *names), ("apt-mark", "unhold", *names))
