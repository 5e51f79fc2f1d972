"""Every setting: its type, its default, its bounds and what it does."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gpubox.common.rules.rule import DEFAULTS, Limits

Celsius = Annotated[float, Meta(ge=0, le=150)]
"""A temperature that a running GPU may have."""
FolderPath = Annotated[str, Meta(max_length=500, pattern=r"^(/|~)[^\x00-\x1f]*$")]
"""A folder of a box: absolute, or below its home."""
Hours = Annotated[str, Meta(pattern=r"^(([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d)?(?!\n)$")]
"""Hours of a day, such as 22:00-07:00."""
Percent = Annotated[float, Meta(ge=0, le=100)]
"""A share of something full."""
Value = Annotated[object, Meta(extra_json_schema={"description": "A value of that setting."})]
"""A value that is checked against another table."""
Tag = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+(?!\n)$")]
"""A name that several boxes share."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the settings file."""


class Overrides(Section, frozen=True, kw_only=True, omit_defaults=True):
    """Settings that differ for one box, or for all boxes with one tag; each key may be left out."""

    probe: dict[str, Value] = {}
    """Keys of [probe] for it."""
    ssh: dict[str, Value] = {}
    """Keys of [ssh] for it."""
    thresholds: dict[str, Value] = {}
    """Keys of [thresholds] for it."""
    desktop: dict[str, Value] = {}
    """Keys of [desktop] for it."""
    envs: dict[str, Value] = {}
    """Keys of [envs] for it."""
    jobs: dict[str, Value] = {}
    """Keys of [jobs] for it."""
    alerts: dict[str, Value] = {}
    """Keys of [alerts] for it."""


PER_BOX = Overrides.__struct_fields__
"""The sections that may differ between boxes."""


class BoxEntry(Overrides, frozen=True, kw_only=True):
    """A box of your own; everything not set here comes from ~/.ssh/config."""

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\s/]+$")]
    """What you call it: `gpubox-tui NAME`."""
    host: str = ""
    """Host name, address or ssh alias; empty means the same as `name`."""
    user: str = ""
    """Login name; empty leaves it to ssh."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """Port; 0 leaves it to ssh."""
    identity: str = ""
    """Private key file; empty leaves it to ssh."""
    jump: str = ""
    """Jump hosts as for `ssh -J`; empty leaves it to ssh."""
    python: str = ""
    """Python on the box to run the probe with; empty finds one."""
    tunnels: tuple[str, ...] = ()
    """Opened automatically: a service's name, PORT, LOCAL:HOST:PORT, /SOCKET, remote:PORT, socks:PORT."""
    tags: tuple[Tag, ...] = ()
    """Tags whose [tag.NAME] settings it takes; of two that set the same key, the later one counts."""


class UiSettings(Section, frozen=True, kw_only=True):
    """The look of the panel."""

    theme: str = "gpubox"
    """Any theme of the palette; `gpubox` is safe for color-blind eyes."""
    temperature_unit: Literal["celsius", "fahrenheit"] = "celsius"
    """Unit of temperatures on the screen; JSON is always Celsius."""
    cards_up_to: Annotated[int, Meta(ge=0, le=64)] = 7
    """With more GPUs than this the compact table is shown first."""
    history_minutes: Literal[1, 5, 15, 60] = 5
    """Span that the graphs begin with."""


class ProbeSettings(Section, frozen=True, kw_only=True):
    """How a box is read."""

    interval: Annotated[float, Meta(ge=0.5, le=60)] = 1.0
    """Seconds between readings."""
    top_processes: Annotated[int, Meta(ge=0, le=100)] = 15
    """How many of the host's busiest processes are listed beside those on a GPU."""
    command_lines: bool = True
    """Whether full command lines leave the box; false sends the program's name only."""


class SshSettings(Section, frozen=True, kw_only=True):
    """How the link connects and reconnects."""

    connect_timeout: Annotated[float, Meta(ge=1, le=300)] = 15.0
    """Seconds to reach a box and complete the handshake; time spent on prompts does not count."""
    keepalive: Annotated[float, Meta(ge=1, le=60)] = 2.0
    """Seconds between keep-alives; three unanswered ones end the link."""
    retry_first: Annotated[float, Meta(ge=0.1, le=60)] = 0.5
    """Seconds before the first attempt to reconnect; doubles each time."""
    retry_cap: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    """Most seconds between two attempts."""


class Thresholds(Section, frozen=True, kw_only=True):
    """Thresholds from which a reading is marked: [warn, alarm]."""

    temperature: tuple[Celsius, Celsius] = DEFAULTS.temperature
    """Degrees Celsius; a card's own slowdown threshold lowers the alarm."""
    memory: tuple[Percent, Percent] = DEFAULTS.memory
    """Percent of GPU memory in use."""
    host_memory: tuple[Percent, Percent] = DEFAULTS.host_memory
    """Percent of the machine's memory in use."""
    disk: tuple[Percent, Percent] = DEFAULTS.disk
    """Percent of a disk in use."""


class HistorySettings(Section, frozen=True, kw_only=True):
    """The history on this machine's disk."""

    keep: bool = True
    """Whether readings are stored on disk, so that a restart shows earlier ones."""
    days: Annotated[int, Meta(ge=1, le=365)] = 7
    """Days for which ten-second means stay; five-minute ones stay 30 days, hourly ones a year."""


class DesktopSettings(Section, frozen=True, kw_only=True):
    """Desktops of the boxes, and the viewer of this machine."""

    geometry: Annotated[str, Meta(pattern=r"^[1-9][0-9]{2,4}x[1-9][0-9]{2,4}$")] = "1600x900"
    """Width and height of a desktop that is started, in pixels."""
    depth: Literal[16, 24] = 24
    """Bits of a pixel; 16 halves what goes over a slow line."""
    session: Annotated[str, Meta(max_length=500, pattern=r"^[^\x00-\x1f]*$")] = "auto"
    """What runs in it: auto, a name such as xfce4 or openbox, or a command of your own."""
    server: Annotated[str, Meta(pattern=r"^[a-z0-9]{1,32}$")] = "auto"
    """VNC server that is started, such as tigervnc; auto takes the first that the box has."""
    viewer: Annotated[str, Meta(max_length=500, pattern=r"^[^\x00-\x1f]*$")] = "auto"
    """Viewer here: auto, none (shows the address), browser (noVNC), or a command with {host} and {port}."""
    pictures: Literal["auto", "cells"] = "auto"
    """Small pictures in the panel: auto takes the terminal's own graphics where it has them, else cells."""


class JobSettings(Section, frozen=True, kw_only=True):
    """Jobs on the boxes."""

    gpus: Annotated[int, Meta(ge=0, le=64)] = 1
    """GPUs that a new job asks for on a box that has some."""
    exclude: tuple[str, ...] = ()
    """GPUs that jobs never get, by index or UUID; one that drives a screen, for example."""
    grace: Annotated[float, Meta(ge=0, le=3600)] = 10.0
    """Seconds that a job gets to end by itself when it is stopped."""
    notify: bool = True
    """Whether a bell and a toast announce the end of a job."""
    notify_command: Annotated[str, Meta(max_length=1000)] = ""
    """A command of yours that runs here at the end of a job; it finds GPUBOX_JOB_NAME and others set."""
    results: str = "~/gpubox-results"
    """Folder of this machine where results of jobs go."""


class AlertSettings(Section, frozen=True, kw_only=True):
    """Alerts: what is announced, and how; docs/rules.md lists them."""

    notify: bool = True
    """Whether a toast announces an alert."""
    severity: Literal["info", "warning", "critical"] = "warning"
    """Least severity that is announced; all are listed."""
    bell: bool = False
    """Whether the terminal's bell rings, too."""
    desktop: Literal["off", "osc9", "osc777"] = "off"
    """Notification of the desktop: osc9 (iTerm2, WezTerm, kitty), osc777 (foot, Ghostty), or off."""
    command: Annotated[str, Meta(max_length=1000)] = ""
    """A command of yours that runs here when an alert is raised or cleared; it reads the event as JSON."""
    quiet: Hours = ""
    """Hours without bell, desktop notification and command, such as 22:00-07:00; toasts are shown."""
    off: tuple[str, ...] = ()
    """Rules that raise nothing, by their names, such as gpu-held-idle."""


class JobEntry(Section, frozen=True, kw_only=True):
    """A job of your own, ready to run."""

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9-]*$")]
    """What you call it: `gpubox-tui run BOX --template NAME`."""
    title: str = ""
    """A few words for a list."""
    about: str = ""
    """What it does, in sentences."""
    command: Annotated[str, Meta(min_length=1)] = "true"
    """The command, as you would type it; {size} stands for the variable `size`."""
    gpus: str = "auto"
    """A number, none, any, all, or auto: one where the environment was built for GPUs."""
    folder: str = ""
    """Folder to run in; empty is the home folder."""
    limit: str = ""
    """Time limit, such as 2h30m; empty for none."""
    results: tuple[str, ...] = ()
    """Files to fetch after it ended."""
    variables: dict[str, str] = {}
    """Names in the command, and their default values."""
    environment: dict[str, str] = {}
    """Environment variables that are set for it."""


class EnvSettings(Section, frozen=True, kw_only=True):
    """Where software environments are searched for."""

    folders: Annotated[tuple[FolderPath, ...], Meta(max_length=50)] = ()
    """Folders with projects on the boxes, besides the home: absolute paths, or ~/ and more."""


class Settings(Section, frozen=True, kw_only=True):
    """The whole file."""

    ui: UiSettings = UiSettings()
    probe: ProbeSettings = ProbeSettings()
    ssh: SshSettings = SshSettings()
    thresholds: Thresholds = Thresholds()
    history: HistorySettings = HistorySettings()
    desktop: DesktopSettings = DesktopSettings()
    envs: EnvSettings = EnvSettings()
    jobs: JobSettings = JobSettings()
    alerts: AlertSettings = AlertSettings()
    keys: dict[str, str] = {}
    """Your own keys: binding id = key, such as "processes.signal" = "k"; `?` shows the ids."""
    box: tuple[BoxEntry, ...] = ()
    """Boxes of your own, one [[box]] table each."""
    tag: dict[Tag, Overrides] = {}
    """Settings of all boxes with a tag, such as [tag.lab.jobs]; those of a [[box]] beat them."""
    job: tuple[JobEntry, ...] = ()
    """Jobs of your own, one [[job]] table each."""

    @property
    def limits(self) -> Limits:
        """The thresholds, as the rules read them."""
        at = self.thresholds
        unit = self.ui.temperature_unit
        return Limits(at.temperature, at.memory, at.host_memory, at.disk, temperature_unit=unit)
