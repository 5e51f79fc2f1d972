"""Whether requests without TLS are sent to https."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, not_here, ok, unknown, warning
from gpubox.boxes.checks.web.facts import PlainAnswer, WebFacts
from gpubox.core.sanitize import clean

_REDIRECTS = (301, 302, 303, 307, 308)


def _judge(gathered: Gathered) -> Result:
    answers = gathered.of(WebFacts).plain
    if not answers:
        return not_here("No site that has TLS answers at port 80 as well")
    for one in answers:
        text = _unencrypted(one)
        if text:
            step = "In the site for port 80, nginx: return 301 https://$host$request_uri;"
            return warning(text, step, value="no")
    wrong = next((one for one in answers if one.error), None)
    if wrong is not None:
        return unknown(f"{clean(wrong.name, 80)} did not answer at port 80: {clean(wrong.error, 120)}")
    return ok(f"{len(answers)} of {len(answers)} send to https, or serve nothing", value="yes")


def _unencrypted(one: PlainAnswer) -> str:
    """Return what is wrong with an answer; empty for nothing."""
    name = clean(one.name, 80)
    if one.status in _REDIRECTS and one.location.lower().startswith("http://"):
        return f"http://{name} sends to {clean(one.location, 80)}, which has no TLS either"
    if 200 <= one.status < 300:
        return f"http://{name} serves its pages without TLS"
    return ""


CHECK = Check(
    id="web.redirect",
    title="Pages without TLS are redirected to https",
    why="A user who types a bare name may start without TLS. A page that answers there sends passwords and "
    "tokens readable over the network. Port 80 has to stay open for Let's Encrypt's usual proof.",
    command="curl -sI -H 'Host: NAME' http://127.0.0.1/",
    needs=(WebFacts,),
    judge=_judge,
)
