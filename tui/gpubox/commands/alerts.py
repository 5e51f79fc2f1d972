"""`gpubox-tui alerts`: what is wrong with a box, and what is announced of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from gpubox.commands.common import begin, common_options, complain, complete_box, run_async
from gpubox.commands.of_box import OfBox, name_of_box
from gpubox.commands.output import as_json, print_json
from gpubox.core.errors import ConfigError, GpuBoxError, RemoteError
from gpubox.core.sanitize import clean

if TYPE_CHECKING:
    from gpubox.config.settings import Settings
    from gpubox.core.target import Target
    from gpubox.store.alerts import AlertRecord, StoredAlerts

_PAST = 20
"""Alerts of the past that are listed without --all."""
_LATE = 60.0
"""Seconds after which the list says when the box was judged last."""

which = click.argument("which", nargs=-1, required=True, metavar="ID...")


@dataclass(frozen=True, slots=True)
class _Stored:
    """The stored alerts of one box; the box itself is not asked."""

    alerts: StoredAlerts
    box: str
    settings: Settings

    async def records(self) -> list[AlertRecord]:
        """Return its alerts, the newest first; raises RemoteError."""
        records = await self.alerts.records(self.box)
        if records is None:
            raise RemoteError("The alerts cannot be read", "The disk of this machine does not answer", "")
        return records

    async def active(self, words: Sequence[str]) -> list[AlertRecord]:
        """Return the active alerts of ids, codes or `all`; raises RemoteError for one that is not there."""
        active = [one for one in await self.records() if one.cleared is None]
        found: dict[int, AlertRecord] = {}
        for word in words:
            named = [one for one in active if word in ("all", str(one.number), one.alert.code)]
            if not named and word != "all":
                text = f"{self.box} has no active alert {clean(word, 40)}"
                raise RemoteError("No such alert", text, f"`gpubox-tui alerts {self.box}` lists them")
            found |= {one.number: one for one in named}
        return list(found.values())


@click.group(cls=OfBox)
@click.argument("box", metavar="BOX", shell_complete=complete_box)
@common_options
def alerts(box: str) -> None:
    """List (without a COMMAND), acknowledge and mute the alerts of BOX, and try how they are announced.

    A panel that has BOX open judges it and raises alerts; the other commands work on what is stored here.
    ID is the number of an alert, the name of its rule, or `all`.
    """


def _on_stored(name: str, **attributes: Any) -> Callable[[Callable[..., Awaitable[None]]], click.Command]:
    """Turn a coroutine function into a command; it gets the stored alerts and the command's options."""

    def made(work: Callable[..., Awaitable[None]]) -> click.Command:
        @click.pass_context
        @wraps(work)
        def run(ctx: click.Context, **options: object) -> int:
            from gpubox.config.resolve import resolved
            from gpubox.store.store import Store

            settings, target = begin(ctx, name_of_box(ctx))
            with Store.open(settings) as store:
                stored = _Stored(store.alerts, target.name, resolved(settings, target.name))
                run_async(work(stored, **options))
            return 0

        command = alerts.command(name, **attributes)(common_options(run))
        command.params.sort(key=lambda option: not option.expose_value)  # its own before the shared ones
        return command

    return made


@_on_stored("list", short_help="Print the alerts, active ones first.")
@click.option("--active", is_flag=True, help="Only those that are not over.")
@click.option("--all", "everything", is_flag=True, help=f"All of the past, not only {_PAST}.")
@as_json
async def list_(stored: _Stored, active: bool, everything: bool, as_json: bool) -> None:
    """Print the alerts of the box that are stored on this machine, and what to do about active ones."""
    from gpubox.commands import alert_report
    from gpubox.common.units import duration

    now = time.time()
    records, mutes = alert_report.newest(await stored.records()), await stored.alerts.mutes(stored.box)
    state = await stored.alerts.state(stored.box)
    open_ones = [one for one in records if one.cleared is None]
    past = [] if active else [one for one in records if one.cleared is not None]
    shown = [*open_ones, *(past if everything else past[:_PAST])]
    if as_json:
        print_json(
            stored.box,
            judged=None if state is None else state[1],
            alerts=[alert_report.to_json(one, mutes, now) for one in shown],
            mutes=[{"what": what, "until": until} for what, until in mutes.items()],
        )
        return
    if shown:
        click.echo("\n".join(alert_report.rows(shown, mutes, now)))
        click.echo("".join(f"{line}\n" for line in alert_report.steps(shown)), nl=False)
    else:
        click.echo("No alerts.")
    if state is None:
        click.echo(f"{stored.box}: never judged here: a panel with the box open does that", err=True)
    elif now - state[1] > _LATE * 2:
        click.echo(f"{stored.box}: judged {duration(now - state[1])} ago, when a panel had it open", err=True)


@_on_stored("ack", short_help="Acknowledge active alerts.")
@which
async def ack(stored: _Stored, which: tuple[str, ...]) -> None:
    """Acknowledge active alerts: they are no longer counted, and those that stay until then are over."""
    for one in await stored.active(which):
        await stored.alerts.acknowledge(stored.box, one.alert.key, time.time())
        words = f"{clean(one.alert.subject, 40)}: {clean(one.alert.title, 80)}"
        click.echo(f"{stored.box}: acknowledged: {words}")


@_on_stored("mute", short_help="Announce nothing about an alert, a subject or the box.")
@click.argument("what", metavar="ID|SUBJECT|box")
@click.option("--for", "limit", metavar="TIME", default="", help="For 90, 10m, 2h30m or 1d.")
async def mute(stored: _Stored, what: str, limit: str) -> None:
    """Announce nothing about an active alert, a SUBJECT such as `gpu 0` or `disk /data`, or the whole box.

    Without --for it lasts until the alert is over, or until `unmute`. What is muted is listed all the same.
    """
    from gpubox.boxes.jobs.spec_parsing import duration

    until = time.time() + duration(limit) if limit else None
    for name in await _muted_names(stored, what):
        await stored.alerts.mute(stored.box, name, until)
    end = (
        f"until {time.strftime('%F %H:%M', time.localtime(until))}"
        if until
        else "until it is over or unmuted"
    )
    click.echo(f"{stored.box}: {clean(what, 60)} is muted {end}")


@_on_stored("unmute", short_help="Announce again what was muted.")
@click.argument("what", metavar="ID|SUBJECT|box|all")
async def unmute(stored: _Stored, what: str) -> None:
    """Announce again what was muted; `all` is everything that is muted on the box."""
    mutes = await stored.alerts.mutes(stored.box)
    names = list(mutes) if what == "all" else await _muted_names(stored, what)
    done = [name for name in names if await stored.alerts.unmute(stored.box, name)]
    if not done and what != "all":
        raise RemoteError("Not muted", f"{clean(what, 60)} is not muted", "")
    click.echo(f"{stored.box}: {clean(what, 60)} is no longer muted")


async def _muted_names(stored: _Stored, what: str) -> list[str]:
    """Return the names by which something is muted; an id or code stands for its active alerts."""
    from gpubox.boxes.alerts.mutes import BOX

    if what == BOX or " " in what or what.startswith(("/", "GPU-", "MIG-")):
        return [what]
    if what in ("host", "driver", "link"):
        return [what]
    return [one.alert.key for one in await stored.active([what])]


@_on_stored("test", short_help="Try how an alert of a rule is announced.")
@click.argument("rule", metavar="RULE")
async def test(stored: _Stored, rule: str) -> None:
    """Announce an alert of RULE as a test: here, by your command, and in panels that have the box open."""
    from gpubox.boxes.alerts.alerts import trial
    from gpubox.boxes.alerts.announcement import Announcement, run_command, spoken

    now, settings = time.time(), stored.settings.alerts
    alert = trial(rule, now)
    announcement = Announcement(stored.box, alert, True, now, test=True)
    await stored.alerts.add(stored.box, alert, test=True)
    click.echo(f"{announcement.title}: {announcement.words}")
    if settings.bell and sys.stdout.isatty():
        click.echo("\a", nl=False)
    sequence = spoken(settings.desktop, announcement)
    if sequence and sys.stdout.isatty():
        click.echo(sequence, nl=False)
    await run_command(settings.command, announcement)
    done = {
        "toast": "in the panels that have the box open" if settings.notify else "off (alerts.notify)",
        "bell": "rung, where this is a terminal" if settings.bell else "off (alerts.bell)",
        "desktop": f"sent by {settings.desktop}" if sequence else "off (alerts.desktop)",
        "command": "run" if settings.command else "none (alerts.command)",
    }
    click.echo("\n".join(f"  {outlet:<8} {words}" for outlet, words in done.items()))


@alerts.command("rules", short_help="Print the rules, and which cannot fire here.")
@as_json
@common_options
@click.pass_context
def rules(ctx: click.Context, as_json: bool) -> int:
    """Print every rule and whether it can fire on the box: not every box gives every reading."""
    settings, target = begin(ctx, name_of_box(ctx))
    try:
        return run_async(_rules(target, settings, as_json))
    except ConfigError:
        raise
    except GpuBoxError as error:
        complain(error, target.name)
        return 1


async def _rules(target: Target, settings: Settings, as_json: bool) -> int:
    from gpubox.boxes.fleet import Fleet
    from gpubox.commands import alert_report
    from gpubox.commands.asker import TerminalAsker
    from gpubox.commands.sampling import once
    from gpubox.common.rules.alerts.table import ALERT_RULES, NOT_JUDGED
    from gpubox.core.sample import Sample

    fleet = Fleet(settings, TerminalAsker())
    box = fleet.open(target)
    event = await once(fleet, box)
    if not isinstance(event, Sample):
        raise event
    off = box.settings.alerts.off
    if as_json:
        print_json(
            box.name,
            rules=[alert_report.rule_to_json(rule, event, off) for rule in ALERT_RULES],
            not_judged=[one._asdict() for one in NOT_JUDGED],
        )
    else:
        click.echo("\n".join(alert_report.rule_rows(event, off)))
    return 0
