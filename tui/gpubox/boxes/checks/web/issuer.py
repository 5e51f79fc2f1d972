"""Whether browsers know who issued the certificates."""

from __future__ import annotations

import re

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok, warning
from gpubox.boxes.checks.web.facts import WebFacts
from gpubox.core.sanitize import clean

_STAGING = re.compile(r"staging|fake le |pebble|happy hacker", re.IGNORECASE)
"""Test issuers of Let's Encrypt, which no browser knows."""
_OWN = re.compile(r"caddy local authority|mkcert|minica|snakeoil", re.IGNORECASE)
"""Issuers that exist on one machine only."""


def _judge(gathered: Gathered) -> Result:
    used = list(gathered.of(WebFacts).in_use())
    if not used:
        return not_here("Nothing here serves a certificate that could be read")
    for one in used:
        if _STAGING.search(one.issuer):
            text = f"The certificate of {one.title} is from a test issuer, {clean(one.issuer, 80)}"
            return warning(text, "Request it again without --staging or --test-cert", value="staging")
    for one in used:
        if one.self_signed or _OWN.search(one.issuer):
            text = f"The certificate of {one.title} is signed by the box itself: browsers warn of it"
            step = "A public name can have one of Let's Encrypt; within a home, import it in the browser"
            return hint(text, step, value="self-signed")
    issuers = sorted({clean(one.issuer, 80) for one in used})
    return ok(f"Issued by {', '.join(issuers[:3])}", value=clean(issuers[0], 40))


CHECK = Check(
    id="web.issuer",
    title="The certificates are from an issuer that browsers know",
    why="A certificate that the box signed itself encrypts as well as any other, but each browser warns, "
    "and users learn to click warnings away. Test issuers such as Let's Encrypt's staging are meant for "
    "trials only.",
    command="openssl s_client -connect 127.0.0.1:443 -servername NAME </dev/null | openssl x509 -noout "
    "-issuer",
    needs=(WebFacts,),
    judge=_judge,
)
