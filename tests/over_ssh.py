"""Runs the whole program with the keys and known hosts of one folder; what else it needs is passed to it."""

from __future__ import annotations

import os
from pathlib import Path

from gpubox import cli
from gpubox.boxes import factory as opening
from gpubox.config.settings import BoxEntry, Settings
from gpubox.core.prompts import Asker
from gpubox.core.shell import Link
from gpubox.core.target import Target


def over_ssh(target: Target, entry: BoxEntry, settings: Settings, asker: Asker) -> Link:
    """Make a link that asks ssh's own files for nothing."""
    from gpubox.ssh.host_spec import HostSpec
    from gpubox.ssh.link import SshLink

    folder = Path(os.environ["GPUBOX_TEST_FOLDER"])
    expected = HostSpec(
        entry.host,
        user=entry.user,
        port=entry.port,
        identity=str(folder / "id_mine"),
        config_file=folder / "config",
        known_hosts=folder / "known_hosts",
    )
    return SshLink(target.name, expected, asker, settings.ssh)


if __name__ == "__main__":
    opening._over_ssh = over_ssh
    cli.main()
