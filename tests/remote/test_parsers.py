"""What the probe makes of text that it did not write: tables, cgroups, mounts, counters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.common.proc import cpu_share, cpu_times, disk_bytes, memory_facts, net_bytes
from gpubox.common.smi import BASIC, SMI_COLUMNS, smi_apps, smi_gpus, smi_value
from gpubox.remote.probe.containers import container
from gpubox.remote.probe.disks import mounts
from gpubox.remote.probe.processes import environment_of
from gpubox.remote.probe.sampler import Schedule
from gpubox.remote.probe.wire import seconds

HEX = "3f2a" * 16


@given(
    st.text(max_size=400), st.sampled_from(["int", "float", "mib", "text", "flag", "hex", "pstate", "mode"])
)
def test_any_cell_is_a_value_or_a_reason(text: str, kind: str) -> None:
    reason = ""
    value: object = None
    try:
        value = smi_value(text, kind)
    except ValueError as error:
        reason = str(error)
    assert (value is None) == bool(reason)
    json.dumps(value, allow_nan=False)


@given(st.text(max_size=2000))
def test_any_text_is_a_table_or_not(text: str) -> None:
    rows, others, _ = smi_gpus(text, SMI_COLUMNS)
    assert all(isinstance(row["index"], int) for row in rows)
    assert len(rows) + len(others) <= len(text.splitlines())


@given(st.lists(st.text(st.characters(exclude_characters=",\n\r"), max_size=30), min_size=15, max_size=15))
def test_a_row_of_any_cells_never_raises(cells: list[str]) -> None:
    columns = SMI_COLUMNS[:BASIC]
    rows, _, _ = smi_gpus(",".join(["3", *cells[1:]]), columns)
    for row in rows:
        missing = row.get("missing", {})
        assert isinstance(missing, dict)
        assert not set(row) & set(missing)
        json.dumps(row, allow_nan=False)


@given(st.text(max_size=1000))
def test_any_list_of_processes_is_read_or_passed_over(text: str) -> None:
    for app in smi_apps(text + "\nGPU-1, 77, 512\n", {"GPU-1": 0}):
        assert isinstance(app["pid"], int)
    assert {"pid": 77, "gpu": 0, "kind": "C", "gpu_memory": 512 << 20} in smi_apps(
        "noise\nGPU-1, 77, 512\nGPU-2, 78, 1\nGPU-1, -1, 1\n", {"GPU-1": 0}
    )


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"0::/system.slice/docker-{HEX}.scope", ("docker", HEX)),
        (f"12:memory:/docker/{HEX}", ("docker", HEX)),
        (
            f"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{HEX}.scope/container",
            ("podman", HEX),
        ),
        (
            f"0::/kubepods.slice/kubepods-besteffort.slice/kubepods-pod1.slice/cri-containerd-{HEX}.scope",
            ("k8s", HEX),
        ),
        (f"11:devices:/kubepods/besteffort/pod6a1c-22/{HEX}", ("k8s", HEX)),
        (f"0::/kubepods.slice/kubepods-pod2.slice/crio-{HEX}.scope", ("k8s", HEX)),
        (f"0::/kubepods/burstable/pod3/docker-{HEX}.scope", ("k8s", HEX)),
        (
            f"0::/system.slice/containerd.service/kubepods-burstable-pod4.slice:cri-containerd:{HEX}",
            ("k8s", HEX),
        ),
        (f"0::/default/{HEX}", ("containerd", HEX)),
        (f"0::/system.slice/nerdctl-{HEX}.scope", ("containerd", HEX)),
        ("0::/lxc.payload.trainer/system.slice/ssh.service", ("lxc", "trainer")),
        ("9:cpu:/lxc/trainer", ("lxc", "trainer")),
        ("0::/machine.slice/machine-trainer.scope", ("nspawn", "trainer")),
        ("0::/user.slice/user-1000.slice/session-2.scope", None),
        ("0::/", None),
        (f"0::/user.slice/libpod-conmon-{HEX}.scope", None),
        ("", None),
    ],
)
def test_the_container_is_found_in_the_cgroup(line: str, found: tuple[str, str] | None) -> None:
    assert container(line) == found
    assert container("1:name=systemd:/init.scope\n" + line) == found


@given(st.text(max_size=2000))
def test_any_cgroup_names_a_container_or_none(text: str) -> None:
    found = container(text)
    assert found is None or (found[0] and found[1])


@given(st.text(max_size=2000))
def test_any_mounts_are_read(text: str) -> None:
    for device, mount, _, _ in mounts(text):
        assert device.startswith("/dev/") or mount == "/" or device


def test_only_real_disks_are_listed_each_once() -> None:
    text = (
        "/dev/nvme0n1p2 / ext4 rw,relatime 0 0\n"
        "/dev/nvme0n1p2 /var/lib/docker ext4 rw 0 0\n"
        "/dev/loop3 /snap/core squashfs ro 0 0\n"
        "tmpfs /run tmpfs rw 0 0\n"
        "nas:/home /home nfs4 rw 0 0\n"
        "/dev/sda1 /media/my\\040disk ext4 ro,noatime 0 0\n"
        "tank/data /tank zfs rw 0 0\n"
        "broken\n"
    )
    assert mounts(text) == [
        ("/dev/nvme0n1p2", "/", "ext4", False),
        ("/dev/sda1", "/media/my disk", "ext4", True),
        ("tank/data", "/tank", "zfs", False),
        ("nas:/home", "/home", "nfs4", False),
    ]


def test_the_cpu_is_busy_by_the_difference_of_two_readings() -> None:
    old = cpu_times("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 100 0 100 700 100 0 0 0 0 0\nintr 5\n")
    new = cpu_times("cpu  150 0 125 725 100 0 0 0 50 0\n")
    assert cpu_share(old["cpu"], new["cpu"]) == 75.0
    assert cpu_share(None, new["cpu"]) is None
    assert cpu_share(new["cpu"], new["cpu"]) is None
    assert set(old) == {"cpu", "cpu0"}


@given(st.tuples(*[st.integers(0, 10**12)] * 2), st.tuples(*[st.integers(0, 10**12)] * 2))
def test_a_share_stays_a_share_when_counters_run_backwards(
    old: tuple[int, int], new: tuple[int, int]
) -> None:
    share = cpu_share(old, new)
    assert share is None or 0 <= share <= 100


def test_memory_of_an_old_kernel_is_estimated() -> None:
    facts = memory_facts("MemTotal: 1000 kB\nMemFree: 200 kB\nBuffers: 50 kB\nCached: 150 kB\n")
    assert facts == {"memory_total": 1024000, "memory_available": 409600}


def test_swap_in_use_is_what_is_not_free() -> None:
    facts = memory_facts("MemTotal: 10 kB\nMemAvailable: 5 kB\nSwapTotal: 8 kB\nSwapFree: 3 kB\n")
    assert (facts["swap_total"], facts["swap_used"]) == (8192, 5120)


def test_only_chosen_interfaces_and_disks_count() -> None:
    net = "head\nhead\n  eth0: 100 1 0 0 0 0 0 0 200 2 0 0 0 0 0 0\n    lo: 999 1 0 0 0 0 0 0 999 1 0\n"
    assert net_bytes(net, {"eth0"}.__contains__) == (100, 200)
    disks = " 8 0 sda 10 0 4 0 20 0 6 0 0 0 0\n 8 1 sda1 9 0 9 0 9 0 9 0 0 0 0\n"
    assert disk_bytes(disks, {"sda"}.__contains__) == (2048, 3072)


@pytest.mark.parametrize(
    ("executable", "argument", "reported", "name"),
    [
        ("/home/a/miniconda3/envs/tf-gpu/bin/python3.10", "python", {}, "tf-gpu"),
        ("/home/a/miniconda3/bin/python3.11", "python", {}, "base"),
        ("/opt/conda/bin/python3.11", "python", {}, "base"),
        ("/home/a/mambaforge/envs/x/lib/thing", "thing", {}, "x"),
        ("/usr/bin/python3.11", "python", {"VIRTUAL_ENV": "/home/a/proj/.venv"}, "proj/.venv"),
        ("/usr/bin/python3.11", "python", {"VIRTUAL_ENV": "/home/a/envs-of-mine/tf/"}, "tf"),
        ("", "python", {"CONDA_DEFAULT_ENV": "tf-gpu"}, "tf-gpu"),
        ("/srv/env/bin/python3", "python", {"CONDA_DEFAULT_ENV": "/srv/env"}, "env"),
        ("/usr/bin/Xorg", "Xorg", {"CONDA_DEFAULT_ENV": "base"}, None),
        ("/usr/bin/python3.11", "/usr/bin/python3", {}, None),
        ("", "", {}, None),
    ],
)
def test_the_environment_of_a_process_is_named(
    executable: str, argument: str, reported: dict[str, str], name: str | None
) -> None:
    assert environment_of(executable, argument, reported) == name


def test_a_program_in_a_venv_is_known_by_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "proj" / ".venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
    assert environment_of("/usr/bin/python3.11", str(folder / "bin" / "python"), {}) == "proj/.venv"


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1.0), ("0", 0.25), ("9999", 60.0), ("nan", None), ("", None), ("inf", 60.0)]
)
def test_an_interval_keeps_its_bounds(text: str, value: float | None) -> None:
    assert seconds(text) == value


def test_a_lane_keeps_its_period_though_ticks_jitter() -> None:
    lanes = Schedule({"fast": 0.0, "slow": 5.0})
    seen = [place for place in range(21) if "slow" in lanes.due(100 + place + (0.01 if place % 2 else -0.01))]
    assert seen == [0, 5, 10, 15, 20]
