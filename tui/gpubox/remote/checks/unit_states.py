"""States of systemd's units."""

from __future__ import annotations

from gpubox.remote.checks import commands

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Dict, List

PROPERTIES = "Id,LoadState,UnitFileState,ActiveState"


def shown(
    *units: str, properties: str = PROPERTIES, seconds: float = commands.QUICK
) -> Dict[str, Dict[str, str]]:
    """Return what `systemctl show` says of units, by their names; nothing where systemd does not answer.

    A name that is an alias is answered by the unit that it stands for, and a name without a unit as well: its
    LoadState is `not-found`.
    """
    return blocks(
        commands.output("systemctl", "show", "--no-pager", "-p", properties, *units, seconds=seconds)
    )


def blocks(text: str) -> Dict[str, Dict[str, str]]:
    """Return the properties of several units, by their names, from the output of `systemctl show`."""
    found: Dict[str, Dict[str, str]] = {}
    for block in text.split("\n\n"):
        pairs = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in pairs:
            found[pairs["Id"]] = pairs
    return found


def states(*units: str) -> List[Dict[str, str]]:
    """Return those of some units that systemd knows: their names, whether they start at boot, and run."""
    return [
        {
            "name": name[:80],
            "load": pairs.get("LoadState", "")[:20],
            "file": pairs.get("UnitFileState", "")[:20],
            "active": pairs.get("ActiveState", "")[:20],
        }
        for name, pairs in shown(*units).items()
    ]
