"""What `monitor` asks and prints."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gpubox.boxes.box import Box
from gpubox.boxes.monitor import MonitorStatus, outlet_options, wording
from gpubox.boxes.monitor.monitor import OutletChanges, OutletConfig
from gpubox.commands.asker import TerminalAsker
from gpubox.commands.features import monitor_of
from gpubox.commands.output import plain, print_json
from gpubox.core.errors import Cancelled, ConfigError
from gpubox.core.prompts import Question, QuestionKind
from gpubox.core.sanitize import aligned, clean

LONGEST = 4096
"""Most characters of a file with a pre-shared key, or with channels for messages."""


def show(box: Box, status: MonitorStatus, *, as_json: bool) -> None:
    """Print how the service is; what is wrong with it goes to stderr."""
    old = monitor_of(box).is_old(status)
    if as_json:
        print_json(box.name, monitor=to_json(status, old=old))
        return
    click.echo(wording.headline(status))
    for line in aligned([(f"  {name}", text) for name, text in wording.facts(status, old=old)]):
        click.echo(line)
    for line in (*wording.troubles(status), *wording.notes(status)):
        click.echo(f"{box.name}: {line}", err=True)


def channels(status: MonitorStatus) -> str:
    """Return what is known of the channels when a test message was asked for."""
    words = [clean(outlet.words, 200) for outlet in status.outlets if outlet.name == "messages"]
    return f"A test message goes out by each channel; before it: {'; '.join(words) or 'nothing was sent'}"


def to_json(status: MonitorStatus, *, old: bool) -> dict[str, object]:
    """Return the JSON form of a status."""
    row = plain(status)
    assert isinstance(row, dict)
    return {**row, "current": bool(status.version) and not old}


def is_well(status: MonitorStatus) -> bool:
    """Return whether the service runs and hands out samples."""
    return status.running and status.started is not None and not status.late and not status.trouble


async def agreed(box: Box, verb: wording.Verb) -> None:
    """Ask whether something may be done; raises Cancelled without a yes."""
    asked = Question(box.name, *wording.QUESTIONS[verb], QuestionKind.YES_NO)
    answer = await TerminalAsker().ask(asked)
    if answer is None:
        raise Cancelled("Nobody was there to agree", "Nothing was changed", "--yes agrees beforehand")
    if answer != "yes":
        raise Cancelled("Nothing was changed")


async def outlets(
    box: Box,
    prometheus: str | None,
    zabbix: str | None,
    messages: str | None,
    identity: str | None,
    psk_file: Path | None,
) -> OutletChanges:
    """Return the outlets of the options; asks for a key that no file has. Raises ConfigError, Cancelled."""
    found: dict[str, OutletConfig | None] = {}
    if prometheus is not None:
        found["prometheus"] = outlet_options.prometheus(prometheus)
    if messages is not None:
        off = messages == outlet_options.OFF
        found["messages"] = None if off else outlet_options.messages(_read(Path(messages)))
    outlet = outlet_options.zabbix(zabbix) if zabbix is not None else None
    if zabbix is not None:
        found["zabbix"] = outlet
    if identity is None and psk_file is None:
        return found
    if outlet is None or identity is None:
        raise ConfigError("No use for a key", "A pre-shared key needs --zabbix and --psk-identity")
    found["zabbix"] = outlet_options.with_psk(outlet, identity, await _psk(box, psk_file))
    return found


def _read(file: Path) -> str:
    try:
        return sys.stdin.read(LONGEST) if str(file) == "-" else file.read_text("utf-8", "replace")[:LONGEST]
    except OSError as error:
        raise ConfigError("The file cannot be read", f"{file}: {error.strerror}") from error


async def _psk(box: Box, file: Path | None) -> str:
    if file is not None:
        return _read(file)
    text = "It goes to the box over the link, into a file that only you can read there."
    question = Question(box.name, "Pre-shared key for Zabbix", text, QuestionKind.SECRET, "Key:")
    answer = await TerminalAsker().ask(question)
    if not answer:
        raise Cancelled("No key was given", "Nothing was changed", "--psk-file names a file with it")
    return answer
