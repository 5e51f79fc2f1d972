"""Opens a box by its target: the only place that maps kinds of names to kinds of links."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext
from gpubox.boxes.targets import entry_of
from gpubox.config.resolve import resolved
from gpubox.config.settings import BoxEntry, Settings
from gpubox.core.errors import ConfigError
from gpubox.core.prompts import Asker
from gpubox.core.target import Target

if TYPE_CHECKING:
    from gpubox.core.channels import Channels
    from gpubox.core.shell import Link, Shell
    from gpubox.store.store import Store


def open_box(target: Target, settings: Settings, asker: Asker, *, store: Store | None = None) -> Box:
    """Return a box that is not yet connected; `Box.keep` does that.

    With a store, the box starts with its recorded history and adds to it; the demo box is never recorded.
    Raises ConfigError when the target's name cannot be an address.
    """
    settings = resolved(settings, target.name)
    context = BoxContext(target, settings, store=store)
    match target.kind:
        case "local":
            from gpubox.local.link import LocalLink

            link = LocalLink(retry_first=settings.ssh.retry_first, retry_cap=settings.ssh.retry_cap)
            return Box(replace(context, python=sys.executable), link, _local_channels)
        case "demo":
            from gpubox.boxes.demo import DemoLink

            link = DemoLink(target.name, asker, settings.ssh)
            return Box(replace(context, store=None), link, _ssh_channels)
        case "ssh":
            entry = entry_of(target, settings)
            link = _over_ssh(target, entry, settings, asker)
            known = replace(context, tunnels=entry.tunnels, python=entry.python, has_login=True)
            return Box(known, link, _ssh_channels)
        case "recording":
            raise ConfigError("Not a box", f"{target.name} is a recording", "Open it with: gpubox-tui replay")


def _ssh_channels(shell: Shell) -> Channels:
    from gpubox.ssh.channels import SshChannels
    from gpubox.ssh.shell import SshShell

    assert isinstance(shell, SshShell)  # a link over ssh gives no other
    return SshChannels(shell)


def _local_channels(shell: Shell) -> Channels:
    from gpubox.local.channels import LocalChannels
    from gpubox.local.shell import LocalShell

    assert isinstance(shell, LocalShell)  # the link of this machine gives no other
    return LocalChannels(shell)


def _over_ssh(target: Target, entry: BoxEntry, settings: Settings, asker: Asker) -> Link:
    from gpubox.ssh.host_spec import HostSpec
    from gpubox.ssh.link import SshLink

    spec = HostSpec(
        entry.host or entry.name,
        user=entry.user,
        port=entry.port,
        identity=entry.identity,
        jump=entry.jump,
    )
    return SshLink(target.name, spec, asker, settings.ssh)
