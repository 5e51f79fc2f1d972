"""Facts of software environments: what envs/scan.py finds, conda's settings, and the size of caches."""

from __future__ import annotations

import glob
import os
import re
import stat
import time

from gpubox.remote.checks import login_user, parts
from gpubox.remote.envs import activate, condarc, condarc_edit, metadata, scan
from gpubox.remote.envs.condarc_edit import SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

    Row = Dict[str, Any]

SCAN = 2.0
"""Seconds for the search for environments."""
CACHES = 0.7
"""Seconds for measuring the caches: enough for some 50,000 files."""
BATCH = 64
"""Files between two looks at the clock."""
MOST = 200
"""Most environments that are named."""
OUTSIDE = (
    "/usr/lib/python3/dist-packages",
    "/usr/local/lib/python3*/dist-packages",
    "/usr/local/lib/python3*/site-packages",
    "~/.local/lib/python3*/site-packages",
)
"""Where Python packages are that belong to no environment."""
DEVICES = (("/dev/dxg", "WSL"), ("/dev/kfd", "ROCm"), ("/dev/nvhost-gpu", "Tegra"))
"""Devices of GPUs that are not behind NVIDIA's driver for PCI."""
INITIALIZED = re.compile(r"^# >>> conda initialize >>>", re.M)
"""The mark of `conda init` in a start file."""


class BriefPatience(scan.Patience):
    """The patience of a look that has three seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._end = time.monotonic() + SCAN


def gather() -> Row:
    """Return the facts, with the fields of the scan."""
    if login_user.uid() != os.getuid():
        os.environ["HOME"] = login_user.home()  # behind sudo, conda's settings are those of who called it
    look = scan.Look()
    look.home = login_user.home() or look.home
    look.patience = BriefPatience()
    look.late = look.patience.late
    found = look.report()
    roots = sorted(look.roots)
    row: Row = {name: found[name] for name in ("roots", "modules", "cuda", "partial")}
    row.update(
        envs=found["envs"][:MOST],
        driver=driver(),
        has_venv=has_venv(),
        home=login_user.home(),
        **login(roots),
        without_base=without_base(roots),
        **channels(roots),
    )
    row.update(
        parts.gathered(
            {"caches": lambda: caches(roots), "outside": lambda: outside(login_user.home())}, CACHES + 0.2
        )
    )
    return row


def driver() -> str:
    """Return the version of NVIDIA's driver, or the kind of another one; "" without a driver for GPUs."""
    version = metadata.driver()
    return version or next((kind for device, kind in DEVICES if os.path.exists(device)), "")


def has_venv() -> bool:
    """Return whether this Python can make virtual environments with pip: Debian packages that apart."""
    folder = os.path.dirname(os.__file__)
    return os.path.isdir(folder + "/venv") and os.path.isdir(folder + "/ensurepip")


def login(roots: List[str]) -> Row:
    """Return which start file activates conda's base environment, and whether its settings let it."""
    row: Row = {"auto_base": activates(activate.settings(roots)), "init_file": "", "path_file": ""}
    for name in scan.RC_FILES:
        text = activate.read("%s/%s" % (login_user.home(), name), 1 << 20)
        if INITIALIZED.search(text):
            row["init_file"] = row["init_file"] or name
        for line in text.splitlines():
            bare = line.strip()
            if re.match(r"(?:export\s+)?PATH=|set\s+(?:-\S+\s+)*PATH\s|fish_add_path", bare) and any(
                re.search(r"%s/bin(?:[:\"'\s]|$)" % re.escape(root), expanded(bare)) for root in roots
            ):
                row["path_file"] = row["path_file"] or name
    return row


def activates(read: List[str]) -> bool:
    """Return whether conda's settings let it activate base, by the texts of their files."""
    # conda 25 calls the setting auto_activate; its older name is still read.
    word = condarc.word(read, "auto_activate", condarc.word(read, "auto_activate_base", "true"))
    return word.lower() not in condarc.FALSE


def without_base(roots: List[str]) -> Optional[Row]:
    """Return path and text of the user's condarc with base off.

    None where base is off, where that is not a plain file of the user's own, and where another file or a
    variable would win.
    """
    path = login_user.home() + "/.condarc"
    read = activate.settings(roots)
    if not activates(read):
        return None
    before = ""
    if os.path.lexists(path):
        about = os.lstat(path)
        if not stat.S_ISREG(about.st_mode) or about.st_uid != login_user.uid() or about.st_size > SIZE:
            return None
        before = activate.read(path)
        if len(before.encode("utf-8", "surrogateescape")) != about.st_size:
            return None
    names = ["auto_activate_base", "auto_activate"]
    if any(condarc.entries(text, "auto_activate") for text in read):  # a conda that knows the new name
        names.reverse()
    text = condarc_edit.off(before, *names)
    later = [text if one == path else activate.read(one) for one in condarc.files(roots, path)]
    if text is None or activates([one or "" for one in later]):
        return None
    return {"path": path, "text": text}


def expanded(line: str) -> str:
    """Return a line of a start file with the home folder in place of its variables."""
    home = login_user.home()
    return re.sub(r"~(?=/)", home, line.replace("${HOME}", home).replace("$HOME", home))


def channels(roots: List[str]) -> Row:
    """Return conda's channels in their order, and how it chooses between them."""
    read = activate.settings(roots)
    found = [
        name.strip() for name in condarc.listed(list(reversed(read)), "channels", "channel") if name.strip()
    ]
    defaults = condarc.listed(list(reversed(read)), "default_channels")
    return {
        "channels": [short(name) for name in dict.fromkeys(found)][:20],
        "default_channels": [short(name) for name in defaults][:20],
        "channel_priority": condarc.word(read, "channel_priority", "flexible")[:20],
        "settings": [path[:200] for path in condarc.files(roots)][:10],
    }


def short(channel: str) -> str:
    """Return a channel without what a private one may have in its address: names, passwords and tokens."""
    plain = re.sub(r"//[^/@]*@", "//", channel)
    return re.sub(r"/t/[^/]+", "/t/…", plain)[:120]


def caches(roots: Iterable[str]) -> List[Row]:
    """Return what caches of packages take on the disk, as far as that can be counted in time.

    Files that environments share by hard links count as shared: to delete the cache would not free them.
    """
    home = login_user.home()
    cache = os.environ.get("XDG_CACHE_HOME") or home + "/.cache"
    places = [("conda", root + "/pkgs") for root in roots]
    places += [("conda", place) for place in condarc.listed(activate.settings(roots), "pkgs_dirs")]
    places += [("conda", home + "/.conda/pkgs"), ("uv", cache + "/uv"), ("pip", cache + "/pip")]
    rows: List[Row] = []
    seen: List[str] = []
    end = time.monotonic() + CACHES
    for tool, path in places:
        real = os.path.realpath(path)
        if real not in seen and os.path.isdir(real):
            seen.append(real)
            own, shared, whole = measured(real, end)
            rows.append({"tool": tool, "path": path[:200], "own": own, "shared": shared, "whole": whole})
    return rows


def measured(path: str, end: float) -> Tuple[int, int, bool]:
    """Return the bytes of a folder that are its own and shared, and whether all was counted by `end`."""
    own = shared = 0
    count = 0
    for entry in below(path):
        count += 1
        if count % BATCH == 0 and time.monotonic() > end:
            return own, shared, False
        try:
            about = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if about.st_nlink > 1:
            shared += about.st_blocks * 512
        else:
            own += about.st_blocks * 512
    return own, shared, time.monotonic() <= end


def below(path: str) -> Iterator[os.DirEntry[str]]:
    """Yield the files below a folder, those near its top first: archives are there."""
    waiting = [path]
    while waiting:
        folder = waiting.pop(0)
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        yield entry
        except OSError:
            continue


def outside(home: str) -> List[Row]:
    """Return the frameworks that are installed outside of environments, with the folder of each."""
    rows: List[Row] = []
    for pattern in OUTSIDE:
        place = home + pattern[1:] if pattern.startswith("~") else pattern
        for site in sorted(glob.glob(place))[:10]:
            prefix = os.path.dirname(os.path.dirname(os.path.dirname(site)))
            found = metadata.builds(prefix, site, {}, metadata.distributions(site))
            rows += [{"folder": site[:200], "build": build} for build in found]
    return rows[:20]
