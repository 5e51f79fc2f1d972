"""Whether the certificates are for the names of their sites."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, not_here, ok
from gpubox.boxes.checks.web.facts import WebFacts
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    served = [
        one
        for one in gathered.of(WebFacts).served
        if one.name and not one.certificate.error and not one.certificate.self_signed
    ]
    if not served:
        return not_here("No site with a name serves a certificate of an issuer")
    for one in served:
        names = one.certificate.names
        if not any(_fits(one.name.lower(), name.lower()) for name in names):
            given = ", ".join(clean(name, 60) for name in names[:3]) or "no name"
            step = f"sudo certbot --expand, or name {clean(one.name, 80)} when the certificate is requested"
            return failed(f"{one.place} serves a certificate for {given}", step, value="no")
    return ok(f"{len(served)} of {len(served)} fit", value="yes")


def _fits(name: str, pattern: str) -> bool:
    """Return whether a certificate for a pattern is good for a name; a star is one label."""
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return name == pattern


CHECK = Check(
    id="web.names",
    title="The certificates are for the names of their sites",
    why="A browser accepts a certificate for the names in it only; `*.example.org` is good for "
    "`gpu.example.org`, not for `example.org` or `a.gpu.example.org`. Another name was added to the server, "
    "or the default site answers in place of the right one.",
    command="openssl s_client -connect 127.0.0.1:443 -servername NAME </dev/null | openssl x509 -noout -ext "
    "subjectAltName",
    needs=(WebFacts,),
    judge=_judge,
)
