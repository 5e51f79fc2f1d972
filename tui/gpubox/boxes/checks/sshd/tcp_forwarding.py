"""Whether tunnels are allowed."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, ok, warning
from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.checks.sshd.facts import SshdFacts, SshdSetting
from gpubox.boxes.checks.sshd.options import option_fix
from gpubox.core.sanitize import clean

_KEYWORD = "allowtcpforwarding"
_COST = "Who may run commands on the box can also pass data on through it, as they can anyway."
_ALL = "X11 and the agent are forwarded again as well, where their own options allow it."
_SHUT = ("no", "remote")
"""Values without tunnels to the box."""


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    if facts.value("disableforwarding") == "yes":
        return warning(
            "DisableForwarding turns off every tunnel: no service and no desktop can be opened",
            facts.change("DisableForwarding no", for_login=True),
            value="no",
            details=facts.details("disableforwarding"),
            fix=_all_on(facts),
        )
    details = facts.details(_KEYWORD, "permitopen", "gatewayports")
    value = facts.value(_KEYWORD).lower()
    step = facts.change("AllowTcpForwarding yes", for_login=True)
    if value in _SHUT:
        text = "No tunnel to the box is allowed: no service and no desktop can be opened"
        fix = option_fix(facts, "Allow tunnels", _COST, for_login=True, AllowTcpForwarding="yes")
        return warning(text, step, value=value, details=details, fix=fix)
    places = facts.value("permitopen")
    if places != "any":
        text = (
            f"Tunnels lead to {clean(places, 80)} only"
            if places != "none"
            else "PermitOpen forbids all tunnels"
        )
        return hint(text, facts.change("PermitOpen any", for_login=True), value="limited", details=details)
    if facts.value("gatewayports") == "yes":
        text = "Each port that is forwarded back from your machine is open to the network of the box"
        return hint(text, facts.change("GatewayPorts no", for_login=True), value="gateway", details=details)
    if value == "local":
        return hint(
            "Tunnels to the box are allowed, those back to your machine are not",
            step,
            value=value,
            details=details,
        )
    return ok("Tunnels are allowed", value="yes", details=details)


def _all_on(facts: SshdFacts) -> Fix | None:
    """Return the fix where DisableForwarding is what stops tunnels."""
    options = {"DisableForwarding": "no"}
    if facts.settings.get(_KEYWORD, SshdSetting()).general.lower() in _SHUT:
        options["AllowTcpForwarding"] = "yes"
    return option_fix(facts, "Allow tunnels", f"{_COST} {_ALL}", for_login=True, **options)


CHECK = Check(
    id="sshd.tcp-forwarding",
    title="Tunnels are allowed",
    why="Jupyter, TensorBoard, desktops and every other service of the box are opened through tunnels "
    "of your login, so that they listen on the box itself only. Without AllowTcpForwarding this "
    "panel opens none of them. Forbidding it protects little: whoever may run commands can pass "
    "data on anyway. `local` is enough for services and desktops; tunnels back to your machine need "
    "`yes`.",
    command="sudo sshd -T | grep -iE 'allowtcpforwarding|permitopen|disableforwarding|gatewayports'",
    needs=(SshdFacts,),
    judge=_judge,
    depends_on=("sshd.server",),
)
