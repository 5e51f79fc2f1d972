"""Whether something renews the certificates, and its last run was good."""

from __future__ import annotations

import re

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, not_here, ok, unknown, warning
from gpubox.boxes.checks.fix import Fix, UndoableCommand
from gpubox.boxes.checks.web.facts import Certificate, CertificateRenewal, WebFacts
from gpubox.common.units import duration
from gpubox.core.sanitize import clean

_SHORT = 100 * 86400
"""Seconds of life up to which a certificate is meant to be renewed by a program."""
_STALE = 3 * 86400
"""Seconds after which a timer that ought to run each day has not run."""
_TIMER = re.compile(r"[\w@][\w.@:-]{0,90}\.timer")


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(WebFacts)
    used = [one for one in facts.in_use() if not one.self_signed]
    if not used and not facts.hidden:
        return not_here("Nothing here serves a certificate that has to be renewed")
    if facts.renewals is None:
        return unknown("Neither timers nor cron could be listed", "systemctl list-timers; crontab -l")
    active = [one for one in facts.renewals if one.enabled and one.active]
    broken = next((one for one in active if _failed(one)), None)
    if broken is not None:
        text = f"The last run of {_unit(broken)} failed: {clean(broken.result, 40)}, status {broken.status}"
        step = f"journalctl -u {_service(broken)}; sudo certbot renew --dry-run"
        return failed(text, step, value="failed")
    if active:
        return _judge_active(facts, active)
    idle = [one for one in facts.renewals if not (one.enabled and one.active)]
    if idle:
        text = f"{_unit(idle[0])} is {'not running' if idle[0].enabled else 'not enabled'}"
        step = f"sudo systemctl enable --now {_unit(idle[0])}"
        return warning(text, step, value="off", fix=_fix(idle[0]))
    return _without(facts, used)


def _fix(idle: CertificateRenewal) -> Fix | None:
    """Return the fix that turns a timer on; snapd looks after those of snaps."""
    unit = idle.by
    if not _TIMER.fullmatch(unit) or unit.startswith("snap."):
        return None
    ways = {
        ("disabled", False): (("enable", "--now"), ("disable", "--now")),
        ("disabled", True): (("enable",), ("disable",)),
        ("enabled", False): (("start",), ("stop",)),
    }
    way = ways.get((idle.file_state, idle.active))
    if way is None:
        return None
    do, undo = (("systemctl", *words, unit) for words in way)
    return Fix(
        "Renew certificates by a timer",
        f"{unit} runs its program from now on, for the first time soon if a run was missed. To undo it stops "
        "the timer; certificates that were renewed stay.",
        commands=(UndoableCommand(do, undo),),
    )


def _judge_active(facts: WebFacts, active: list[CertificateRenewal]) -> Result:
    """Judge renewals of which none failed."""
    names = ", ".join(_unit(one) for one in active[:3])
    tools = [one.tool for one in active]
    twice = next((tool for tool in tools if tools.count(tool) > 1), None)
    if twice is not None:
        text = f"{clean(twice, 30)} renews twice: by {names}"
        return warning(text, "Remove one of the two, for example: sudo apt-get remove certbot", value="twice")
    never = next((one for one in active if one.ran is not None and facts.time - one.ran > _STALE), None)
    if never is not None and never.ran is not None:
        text = f"{_unit(never)} last ran {duration(facts.time - never.ran)} ago"
        return warning(text, f"systemctl status {_unit(never)}", value="stale")
    last = next((one.ran for one in active if one.ran is not None), None)
    when = f", last run {duration(max(0.0, facts.time - last))} ago" if last is not None else ""
    return ok(f"By {names}{when}", value=clean(tools[0], 30))


def _without(facts: WebFacts, used: list[Certificate]) -> Result:
    """Judge a box on which nothing is known to renew."""
    if any(one.name == "caddy" for one in facts.servers):
        return ok("Caddy renews its certificates itself", value="caddy")
    if any(one.container for one in facts.servers):
        return unknown("The web server runs in a container, which may renew its certificates itself")
    if not used:
        return not_here("Nothing here serves a certificate that has to be renewed")
    short = next((one for one in used if one.ends - one.begins <= _SHORT), None)
    if short is None:
        left = duration(used[0].left(facts.time))
        text = f"Nothing renews the certificate of {used[0].title}; it ends in {left}"
        return hint(text, "Note the date, or let certbot, acme.sh or lego renew it", value="none")
    text = f"Nothing was found that renews the certificate of {short.title}"
    if not facts.root:
        return unknown(f"{text}; the cron of root cannot be seen", "sudo crontab -l; systemctl list-timers")
    if facts.tools:
        step = f"{clean(facts.tools[0], 30)} is installed: give it a timer, or run it from cron each day"
        return warning(text, step, value="none")
    return warning(
        text, "Install certbot, acme.sh or lego where it is renewed, or find what renews it", value="none"
    )


def _failed(one: CertificateRenewal) -> bool:
    return one.result not in ("", "success") or one.status not in (None, 0)


def _unit(one: CertificateRenewal) -> str:
    return clean(one.by, 60)


def _service(one: CertificateRenewal) -> str:
    return _unit(one).removesuffix(".timer")


CHECK = Check(
    id="web.renewal",
    title="Certificates are renewed by a timer, and its last run was good",
    why="Certificates live for 90 days or less, and nobody renews them by hand for long. A timer of "
    "systemd, cron or the server itself does it each day. Two timers of one tool, such as that of a package "
    "and that of the snap, work with different accounts and get in each other's way. Do not count on an "
    "e-mail that warns.",
    command="systemctl list-timers; systemctl status certbot.service snap.certbot.renew.service; crontab -l",
    needs=(WebFacts,),
    judge=_judge,
)
