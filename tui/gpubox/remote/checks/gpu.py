"""Facts of NVIDIA cards and their driver: bus, modules, library, nvidia-smi, device files, containers."""

from __future__ import annotations

import grp
import os
import pwd
import re

from gpubox.remote import users
from gpubox.remote.checks import commands, gpu_processes, gpu_smi, login_user, parts, system, unit_states
from gpubox.remote.kernel_files import listing, read, read_text, rooted
from gpubox.remote.probe import driver

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Optional, Set, Tuple

    Row = Dict[str, Any]

MOST = 32
"""Most cards, device files or processes that are named."""
PCI_IDS = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids", "/var/lib/pciutils/pci.ids")
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
TOOLKIT = ("nvidia-ctk", "nvidia-container-runtime", "nvidia-container-cli")
CDI = ("/etc/cdi", "/var/run/cdi")
DISPLAYS = ("Xorg", "X", "Xwayland", "gnome-shell", "kwin_wayland", "sway", "weston")
PERSISTENCE_UNIT, FABRIC_UNIT = "nvidia-persistenced.service", "nvidia-fabricmanager.service"


def gather() -> Row:
    """Return the facts."""
    running = gpu_processes.names()
    found = parts.gathered(
        {
            "disk": on_disk,
            "smi": lambda: gpu_smi.gather(bool(driver.kernel_version()) or platform() == "wsl"),
            "units": lambda: unit_states.states(PERSISTENCE_UNIT, FABRIC_UNIT),
            "fabric_version": fabric_version,
            "stuck": gpu_processes.stuck,
            "library": library,
            "secure_boot": secure_boot,
            "cards": cards,
        }
    )
    path, version = found.get("library") or ("", "")
    units = {row["name"]: row for row in found.get("units") or ()}
    return {
        "cards": found.get("cards") or [],
        "pci": os.path.isdir(rooted(driver.PCI_DEVICES)),
        "platform": platform(),
        "container": system.container(),
        "modules": modules(),
        "version": driver.kernel_version() or "",
        "flavor": flavor(),
        **(found.get("disk") or {}),
        "library": path,
        "library_version": version,
        **(found.get("smi") or {"smi": {"path": driver.find_smi(), "ran": True}}),
        "mps": gpu_processes.MPS in running,
        "root": os.geteuid() == 0,
        "persistenced": gpu_processes.PERSISTENCED in running,
        "persistence_unit": units.get(PERSISTENCE_UNIT),
        "efi": os.path.isdir(rooted("/sys/firmware/efi")),
        "secure_boot": found.get("secure_boot"),
        "lockdown": lockdown(),
        "nodes": nodes(),
        "user": login_user.name(),
        "nvswitches": len(driver.pci_devices(driver.BRIDGE)),
        "fabric_manager": fabric_manager(running, units.get(FABRIC_UNIT)),
        "fabric_unit": units.get(FABRIC_UNIT),
        "fabric_version": found.get("fabric_version") or "",
        "engines": [name for name in ("docker", "podman") if commands.which(name)],
        "toolkit": [name for name in TOOLKIT if commands.which(name)],
        "docker_runtime": docker_runtime(),
        "cdi": [place for folder in CDI for place in _files(folder)][:MOST],
        "stuck": found.get("stuck") or [],
        "headless": not any(name in DISPLAYS for name in running),
    }


def _files(folder: str) -> List[str]:
    """Return the files in /etc/cdi or /var/run/cdi that name NVIDIA."""
    found = [name for name in listing(rooted(folder)) if name.endswith((".yaml", ".json"))]
    return [folder + "/" + name for name in found if "nvidia" in read_text(rooted(folder + "/" + name), 4096)]


def cards() -> List[Row]:
    """Return NVIDIA's display and compute cards."""
    found = [card(address) for address in driver.pci_devices()[:MOST]]
    unnamed = {row["device"] for row in found if not row["name"]}
    names = pci_names(unnamed) if unnamed else {}
    for row in found:
        row["name"] = row["name"] or names.get(row["device"], "")
    return found


def card(address: str) -> Row:
    """Return one card, from sysfs and the driver's own list."""
    folder = rooted("%s/%s" % (driver.PCI_DEVICES, address))
    asleep = read_text(folder + "/power/runtime_status", 32) == "suspended"
    bound = os.path.join(folder, "driver")
    port = os.path.dirname(os.path.realpath(folder))
    return {
        "address": address,
        "device": read_text(folder + "/device", 16).replace("0x", "", 1),
        "name": model(address),
        "driver": os.path.basename(os.path.realpath(bound)) if os.path.exists(bound) else "",
        "answers": None if asleep else answers(folder),
        "asleep": asleep,
        "width": None if asleep else lanes(folder + "/current_link_width"),
        "width_max": lanes(folder + "/max_link_width"),
        "slot_width": lanes(port + "/max_link_width"),
        "speed": None if asleep else transfers(folder + "/current_link_speed"),
        "speed_max": transfers(folder + "/max_link_speed"),
        "slot_speed": transfers(port + "/max_link_speed"),
    }


def model(address: str) -> str:
    """Return the name of a card as the driver knows it, or ""."""
    text = read_text(rooted("/proc/driver/nvidia/gpus/%s/information" % address), 4096)
    found = re.search(r"^Model:\s*(.+)$", text, re.M)
    name = found.group(1).strip() if found else ""
    return "" if name == "Unknown" else name[:120]


def answers(folder: str) -> Optional[bool]:
    """Return whether the configuration of a device can be read; None where it is not shown."""
    try:
        return read(folder + "/config", 2) not in (b"\xff\xff", b"")
    except OSError:
        return None


def lanes(path: str) -> Optional[int]:
    """Return the width of a link; a sleeping card says 63 or 255, which is none."""
    text = read_text(path, 32)
    return int(text) if re.match(r"\d{1,2}$", text) and 0 < int(text) <= 32 else None


def transfers(path: str) -> Optional[float]:
    """Return the speed of a link in GT/s."""
    found = re.match(r"(\d{1,3}(?:\.\d)?) GT/s", read_text(path, 32))
    return float(found.group(1)) if found else None


def pci_names(devices: Set[str]) -> Dict[str, str]:
    """Return the names of NVIDIA's devices by their ids, from the list of PCI ids on the box."""
    for path in PCI_IDS:
        text = read_text(rooted(path), 4 << 20)
        begin = text.find("\n10de ")
        if begin < 0:
            continue
        end = re.compile(r"^[0-9a-f]{4} ", re.M).search(text, begin + 6)
        ours = text[begin : end.start() if end else len(text)]
        return {
            device: name.strip()[:120]
            for device, name in re.findall(r"^\t([0-9a-f]{4})  (.+)$", ours, re.M)
            if device in devices
        }
    return {}


def platform() -> str:
    """Return where GPUs come from that are not on the PCI bus."""
    if os.path.exists(rooted("/dev/dxg")) and os.path.isdir(rooted("/usr/lib/wsl")):
        return "wsl"
    tegra = os.path.exists(rooted("/etc/nv_tegra_release")) or os.path.exists(rooted("/dev/nvhost-gpu"))
    return "tegra" if tegra else ""


def modules() -> Optional[List[str]]:
    """Return the loaded modules that drive NVIDIA's cards; None where the kernel does not list them."""
    if os.path.isfile(rooted("/proc/modules")):
        names = [line.split(" ")[0] for line in read_text(rooted("/proc/modules"), 1 << 20).splitlines()]
    elif os.path.isdir(rooted("/sys/module")):
        names = listing(rooted("/sys/module"))  # built-in ones are there as well
    else:
        return None
    return [name[:32] for name in names if re.match(r"(?:nvidia|nouveau|nova)\b|nvidia_", name)][:MOST]


def flavor() -> str:
    """Return which kernel module runs, the open or the proprietary one."""
    text = read_text(rooted("/proc/driver/nvidia/version"), 4096)
    if not text:
        return ""
    return "open" if "Open Kernel Module" in text else "proprietary"


def on_disk() -> Row:
    """Return what modinfo says of the driver for the running kernel."""
    done = commands.run("modinfo", "nvidia")
    if done is None:
        return {"has_modinfo": False}
    fields: Dict[str, str] = {}
    for line in done.out.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip()[:120])
    return {
        "has_modinfo": True,
        "disk_version": fields.get("version", ""),
        "disk_license": fields.get("license", ""),
        "disk_signer": fields.get("signer", ""),
    }


def library() -> Tuple[str, str]:
    """Return the file of NVML and the version in its name."""
    for folder in driver.LIBRARY_FOLDERS:
        place = rooted(folder + "/" + driver.LIBRARY)
        if os.path.exists(place):
            return os.path.realpath(place), driver.library_version(place) or ""
    for line in commands.lines("ldconfig", "-p") if not os.environ.get("GPUBOX_ROOT") else ():
        name, _, path = line.partition(" => ")
        if name.strip().startswith(driver.LIBRARY) and os.path.exists(path):
            return os.path.realpath(path), driver.library_version(path) or ""
    return "", ""


def secure_boot() -> Optional[bool]:
    """Return whether the firmware checks signatures; None where it does not say."""
    try:
        data = read(rooted(SECURE_BOOT), 16)
    except OSError:
        data = b""
    if len(data) >= 5:  # four bytes of attributes, then the value
        return data[4] == 1
    done = commands.run("mokutil", "--sb-state")
    text = (done.out + done.err).lower() if done is not None else ""
    if "secureboot enabled" in text:
        return True
    return False if "secureboot disabled" in text else None


def lockdown() -> str:
    """Return the mode of kernel lockdown, the word in brackets."""
    found = re.search(r"\[(\w+)\]", read_text(rooted("/sys/kernel/security/lockdown"), 256))
    return found.group(1) if found else ""


def nodes() -> List[Row]:
    """Return the device files of the driver."""
    rows: List[Row] = []
    for name in listing(rooted("/dev")):
        if not re.match(r"nvidia(\d+|ctl|-uvm|-uvm-tools|-modeset)$|dxg$", name):
            continue
        try:
            found = os.stat(rooted("/dev/" + name))
        except OSError:
            continue
        rows.append(
            {
                "path": "/dev/" + name,
                "mode": "%o" % (found.st_mode & 0o777),
                "owner": users.name(found.st_uid),
                "group": group(found.st_gid),
                "usable": usable("/dev/" + name, found),
            }
        )
    return rows[:MOST]


def group(gid: int) -> str:
    """Return the name of a group, or the number."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def usable(path: str, found: os.stat_result) -> bool:
    """Return whether the user may read and write a file, also when this runs behind sudo."""
    uid = login_user.uid()
    if uid == os.getuid() or uid == 0:
        return os.access(rooted(path), os.R_OK | os.W_OK)  # knows access lists, too
    if found.st_uid == uid:
        return found.st_mode & 0o600 == 0o600
    if found.st_gid in groups(uid):
        return found.st_mode & 0o060 == 0o060
    return found.st_mode & 0o006 == 0o006


def groups(uid: int) -> List[int]:
    """Return the groups of a user."""
    try:
        entry = pwd.getpwuid(uid)
        return os.getgrouplist(entry.pw_name, entry.pw_gid)
    except (KeyError, OSError):
        return []


def fabric_manager(running: Set[str], unit: Optional[Row]) -> str:
    """Return the state of the service that NVSwitches need, or "" without such switches."""
    if not driver.pci_devices(driver.BRIDGE):
        return ""
    if gpu_processes.FABRIC_MANAGER in running:
        return "active"
    if unit is None:
        return "" if commands.which("nv-fabricmanager") else "missing"
    return "missing" if unit["load"] == "not-found" else str(unit["active"])


def fabric_version() -> str:
    """Return the version of the fabric manager that is installed, or "" without NVSwitches."""
    said = commands.output("nv-fabricmanager", "--version") if driver.pci_devices(driver.BRIDGE) else ""
    found = re.search(r"version is\s*:\s*(\d[\d.]{0,38})", said)
    return found.group(1) if found else ""


def docker_runtime() -> Optional[bool]:
    """Return whether Docker's settings name the NVIDIA runtime; None where they cannot be read."""
    path = rooted("/etc/docker/daemon.json")
    if not os.path.exists(path):
        return False
    return "nvidia" in read_text(path) if os.access(path, os.R_OK) else None
