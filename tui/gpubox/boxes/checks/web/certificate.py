"""Whether the certificates have enough of their life left."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, not_here, ok, unknown, warning
from gpubox.boxes.checks.web.facts import Certificate, WebFacts
from gpubox.common.units import duration
from gpubox.core.sanitize import clean

_RENEW = "sudo certbot renew (or what renews it here), then reload the server"


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(WebFacts)
    now = facts.time
    used = list(facts.in_use())
    if not used:
        return _without(facts)
    first = min(used, key=lambda one: one.left(now))
    details = tuple(_line(one, now) for one in sorted(used, key=lambda one: one.left(now))[:12])
    if first.left(now) <= 0:
        text = f"The certificate of {first.title} ended {duration(-first.left(now))} ago"
        return failed(text, _RENEW, value="ended", details=details)
    early = next((one for one in used if one.begins > now), None)
    if early is not None:
        text = f"The certificate of {early.title} begins only in {duration(early.begins - now)}"
        return failed(text, "timedatectl; is the clock right?", value="early", details=details)
    very_late = next((one for one in used if one.very_late(now)), None)
    late = very_late or next((one for one in used if one.late(now)), None)
    if late is not None:
        text = (
            f"The certificate of {late.title} ends in {_left(late, now)}: it should have been renewed by now"
        )
        make = failed if very_late is not None else warning
        return make(text, _RENEW, value=_left(late, now), details=details)
    old = [one for one in facts.certificates if not one.used and not one.error and one.left(now) <= 0]
    if old:
        text = f"A certificate that no site uses has ended: {old[0].title}"
        step = "sudo certbot certificates; what nobody needs, remove by: sudo certbot delete"
        return hint(text, step, value=_left(first, now), details=details)
    return ok(
        f"The first to end is that of {first.title}, in {_left(first, now)}",
        value=_left(first, now),
        details=details,
    )


def _without(facts: WebFacts) -> Result:
    """Return what is said when no certificate could be read."""
    errors = [one for one in facts.certificates if one.used and one.error]
    errors += [one.certificate for one in facts.served if one.certificate.error]
    if errors:
        text = f"No certificate could be read: {clean(errors[0].path, 100)} {clean(errors[0].error, 120)}"
        return unknown(" ".join(text.split()), "Look again with sudo")
    if facts.hidden and facts.tls:
        return unknown(f"The certificates need root: {clean(facts.hidden[0], 100)}", "Look again with sudo")
    return not_here("Nothing here serves a certificate")


def _line(one: Certificate, now: float) -> str:
    """Return a line about a certificate."""
    path = f", {clean(one.path, 120)}" if one.path else ""
    state = f"ends in {_left(one, now)}" if one.left(now) > 0 else "has ended"
    return f"{one.title} {state}, of {duration(one.ends - one.begins)} by {clean(one.issuer, 80)}{path}"


def _left(one: Certificate, now: float) -> str:
    return duration(one.left(now))


CHECK = Check(
    id="web.certificate",
    title="The certificates are renewed in time",
    why="A certificate should be renewed when a third of its life is left; a renewal that waits longer is "
    "broken. Days say little: Let's Encrypt issues certificates of 90 days, of 45 and of 6. Below a sixth "
    "of its life (at most 15 days) the page is about to fail with a warning in each browser.",
    command="sudo openssl x509 -noout -subject -issuer -dates -in /etc/letsencrypt/live/NAME/fullchain.pem",
    needs=(WebFacts,),
    judge=_judge,
)
