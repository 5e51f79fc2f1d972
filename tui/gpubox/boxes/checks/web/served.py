"""Whether servers give out the certificates that are on disk."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, not_here, ok, unknown
from gpubox.boxes.checks.web.facts import Certificate, ServedCertificate, WebFacts
from gpubox.boxes.checks.web.reload import reload_fix
from gpubox.common.units import duration
from gpubox.core.sanitize import clean

_RELOAD = {
    "nginx": "sudo nginx -t && sudo systemctl reload nginx",
    "apache": "sudo apachectl configtest && sudo systemctl reload apache2 (or httpd)",
    "caddy": "sudo systemctl reload caddy",
}


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(WebFacts)
    same, hidden = 0, ""
    for served in facts.served:
        if served.certificate.error:
            continue
        disk = facts.on_disk(served)
        if not disk:
            hidden = hidden or _hidden(facts, served)
        elif all(one.fingerprint != served.certificate.fingerprint for one in disk):
            return _differs(facts, served, disk[0])
        else:
            same += 1
    if hidden:
        return unknown(f"The certificate on disk could not be read: {hidden}", "Look again with sudo")
    if same:
        return ok(f"{same} of {same} served as on disk", value="same")
    answers = [served for served in facts.served if not served.certificate.error]
    if answers:
        return ok(
            "A certificate is served, and no configuration that was read names its file", value="served"
        )
    if facts.served:
        first = facts.served[0]
        text = f"No certificate came from {first.place}: {clean(first.certificate.error, 150)}"
        return unknown(text, f"openssl s_client -connect {clean(first.host, 60)}:{first.port} </dev/null")
    return not_here("Nothing here speaks TLS at a port that listens")


def _hidden(facts: WebFacts, served: ServedCertificate) -> str:
    """Return why the file of a site could not be read; empty where none is named."""
    for one in facts.certificates:
        if one.path in served.paths and one.error:
            return clean(f"{one.path}: {one.error}", 200)
    return ""


def _differs(facts: WebFacts, served: ServedCertificate, disk: Certificate) -> Result:
    """Return what is said when the served certificate is another one than that on disk."""
    given = served.certificate
    details = (
        f"served: ends {_end(given, facts.time)}",
        f"on disk: ends {_end(disk, facts.time)}, {clean(disk.path, 150)}",
    )
    reload = _RELOAD.get(served.server, "Reload the server")
    if given.ends < disk.ends:
        text = f"The certificate on disk was renewed, {served.place} still serves the old one"
        fix = reload_fix(facts, served.server)
        return failed(text, reload, value="differ", details=details, fix=fix)
    text = f"{served.place[0].upper()}{served.place[1:]} serves another certificate than its file holds"
    return hint(text, reload, value="differ", details=details)


def _end(one: Certificate, now: float) -> str:
    left = one.left(now)
    return f"in {duration(left)}" if left > 0 else f"{duration(-left)} ago"


CHECK = Check(
    id="web.served",
    title="The served certificate is the one on disk",
    why="A server reads its certificate when it starts or is reloaded. A renewal without a reload leaves "
    "the old one in use until it ends, while all files look right: the most common fault of certificates. "
    "This check connects to the server on the box itself. A reload costs no connection.",
    command="openssl s_client -connect 127.0.0.1:443 -servername NAME </dev/null | openssl x509 -noout "
    "-dates",
    needs=(WebFacts,),
    judge=_judge,
)
