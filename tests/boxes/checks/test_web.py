"""Checks of web servers, certificates and open services, by the facts of machines as they are found."""

from __future__ import annotations

import msgspec
import pytest

from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.web.facts import (
    Certificate,
    CertificateRenewal,
    PlainAnswer,
    ServedCertificate,
    StoppedServer,
    WebFacts,
    WebServer,
)
from gpubox.boxes.services.facts import Listener, RunningServices, ServiceFacts
from tests.boxes.checks.facts import judge
from tests.drawable import drawable

NOW = 1_795_000_000.0
DAY = 86400.0
PATH = "/etc/letsencrypt/live/gpu.example.org/fullchain.pem"
NGINX = WebServer("nginx", "root", config="/etc/nginx/nginx.conf", valid=True)


def certificate(age: float = 1, left: float = 89, **more: object) -> Certificate:
    """A certificate of an age with days left; each date has a fingerprint of its own."""
    one = Certificate(
        PATH,
        ("gpu.example.org",),
        "gpu.example.org",
        "R11 (Let's Encrypt)",
        NOW - age * DAY,
        NOW + left * DAY,
    )
    return msgspec.structs.replace(one, **{"fingerprint": f"{age} {left}", "used": True, **more})


def served(one: Certificate, *paths: str, name: str = "gpu.example.org") -> ServedCertificate:
    given = msgspec.structs.replace(one, path="", used=False)
    return ServedCertificate(given, "nginx", name, "127.0.0.1", 443, paths)


def site(disk: Certificate, given: Certificate | None = None, **more: object) -> WebFacts:
    """A box with one site."""
    facts = WebFacts(
        NOW,
        servers=(NGINX,),
        certificates=(disk,),
        served=(served(given or disk, disk.path),),
        tls=(443,),
        renewals=(),
    )
    return msgspec.structs.replace(facts, **more)


def outcome(name: str, facts: WebFacts) -> Outcome:
    return judge(f"web.{name}", facts).outcome


NAMES = (
    "server",
    "configuration",
    "certificate",
    "served",
    "issuer",
    "names",
    "renewal",
    "redirect",
    "open-doors",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_box_without_a_web_server_has_nothing_to_say(name: str) -> None:
    assert outcome(name, WebFacts(NOW, renewals=(), services=ServiceFacts(1))) is Outcome.NOT_HERE


@pytest.mark.parametrize("name", NAMES)
def test_empty_facts_are_no_alarm(name: str) -> None:
    assert outcome(name, WebFacts()) in (Outcome.NOT_HERE, Outcome.UNKNOWN)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (WebFacts(servers=(NGINX,)), Outcome.OK),
        (WebFacts(servers=(WebServer("nginx", container=True),)), Outcome.OK),
        (WebFacts(tls=(443,)), Outcome.OK),
        (WebFacts(stopped=(StoppedServer("nginx.service", "failed"),)), Outcome.FAILED),
        (WebFacts(stopped=(StoppedServer("apache2.service", "inactive"),)), Outcome.WARNING),
        (WebFacts(servers=(NGINX,), stopped=(StoppedServer("apache2.service", "inactive"),)), Outcome.OK),
    ],
)
def test_a_server_that_does_not_run_is_noticed(facts: WebFacts, expected: Outcome) -> None:
    assert outcome("server", facts) is expected


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (NGINX, Outcome.OK),
        (msgspec.structs.replace(NGINX, warnings=("conflicting server name",)), Outcome.HINT),
        (msgspec.structs.replace(NGINX, valid=False, problem="unknown directive"), Outcome.FAILED),
        (msgspec.structs.replace(NGINX, valid=None, problem="the test needs root"), Outcome.UNKNOWN),
    ],
)
def test_a_wrong_configuration_fails_and_an_untested_one_is_unknown(
    server: WebServer, expected: Outcome
) -> None:
    assert outcome("configuration", WebFacts(servers=(server,))) is expected


@pytest.mark.parametrize(
    ("age", "left", "expected"),
    [
        (1, 89, Outcome.OK),
        (61, 29, Outcome.WARNING),
        (76, 14, Outcome.FAILED),
        (1, 44, Outcome.OK),
        (31, 14, Outcome.WARNING),  # of 45 days
        (38, 7, Outcome.FAILED),
        (3, 3.6, Outcome.OK),  # of 6 days
        (335, 30.1, Outcome.OK),  # of a year: 30 days are enough
        (340, 25, Outcome.WARNING),
        (90, -0.1, Outcome.FAILED),
        (-1, 89, Outcome.FAILED),  # or the clock is wrong
    ],
)
def test_a_certificate_is_judged_by_its_share_of_life(age: float, left: float, expected: Outcome) -> None:
    result = judge("web.certificate", site(certificate(age, left)))
    assert result.outcome is expected
    assert "gpu.example.org" in result.text


def test_a_certificate_that_no_site_uses_is_a_hint_when_it_ended() -> None:
    old = certificate(100, -10, used=False, path="/etc/letsencrypt/live/old/fullchain.pem")
    facts = site(certificate(), certificates=(certificate(), old))
    assert outcome("certificate", facts) is Outcome.HINT


def test_where_the_file_needs_root_the_served_certificate_is_judged() -> None:
    hidden = Certificate(PATH, used=True, error="Permission denied")
    facts = site(hidden, certificate(80, 10))
    assert outcome("certificate", facts) is Outcome.FAILED
    result = judge("web.served", facts)
    assert result.outcome is Outcome.UNKNOWN
    assert "Permission denied" in result.text
    assert outcome("certificate", msgspec.structs.replace(facts, served=())) is Outcome.UNKNOWN


def test_a_renewed_certificate_that_is_not_served_fails_and_names_the_reload() -> None:
    result = judge("web.served", site(certificate(1, 89), certificate(85, 5)))
    assert (result.outcome, result.value) == (Outcome.FAILED, "differ")
    assert "reload nginx" in result.step
    assert outcome("served", site(certificate(85, 5), certificate(1, 89))) is Outcome.HINT
    assert outcome("served", site(certificate())) is Outcome.OK


def test_of_two_certificates_of_a_site_either_may_be_served() -> None:
    other = certificate(2, 88, path="/etc/ssl/rsa.pem")
    facts = site(
        certificate(), certificates=(other, certificate()), served=(served(certificate(), other.path, PATH),)
    )
    assert outcome("served", facts) is Outcome.OK


@pytest.mark.parametrize(
    ("issuer", "own", "expected"),
    [
        ("R11 (Let's Encrypt)", False, Outcome.OK),
        ("(STAGING) Riddling Rhubarb R12 ((STAGING) Let's Encrypt)", False, Outcome.WARNING),
        ("Caddy Local Authority - ECC Intermediate", False, Outcome.HINT),
        ("gpu", True, Outcome.HINT),
    ],
)
def test_issuers_that_no_browser_knows_are_named(issuer: str, own: bool, expected: Outcome) -> None:
    assert outcome("issuer", site(certificate(issuer=issuer, self_signed=own))) is expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("gpu.example.org",), Outcome.OK),
        (("GPU.Example.org",), Outcome.OK),
        (("*.example.org",), Outcome.OK),
        (("*.org", "example.org", "*.gpu.example.org"), Outcome.FAILED),
        ((), Outcome.FAILED),
    ],
)
def test_a_certificate_for_other_names_fails(names: tuple[str, ...], expected: Outcome) -> None:
    assert outcome("names", site(certificate(names=names))) is expected


TIMER = CertificateRenewal("certbot", "certbot.timer", True, True, NOW - 3600, "success", 0)
SNAP = msgspec.structs.replace(TIMER, by="snap.certbot.renew.timer")
CRON = CertificateRenewal("acme.sh", "crontab of ada", True, True)


@pytest.mark.parametrize(
    ("renewals", "expected"),
    [
        ((TIMER,), Outcome.OK),
        ((CRON,), Outcome.OK),
        ((msgspec.structs.replace(TIMER, ran=None),), Outcome.OK),
        ((TIMER, SNAP), Outcome.WARNING),
        ((msgspec.structs.replace(TIMER, result="exit-code", status=1),), Outcome.FAILED),
        ((msgspec.structs.replace(TIMER, ran=NOW - 9 * DAY),), Outcome.WARNING),
        ((msgspec.structs.replace(TIMER, enabled=False, active=False),), Outcome.WARNING),
        ((msgspec.structs.replace(SNAP, enabled=False, active=False), TIMER), Outcome.OK),
        ((), Outcome.UNKNOWN),  # the cron of root is hidden
        (None, Outcome.UNKNOWN),
    ],
)
def test_what_renews_is_judged(renewals: tuple[CertificateRenewal, ...] | None, expected: Outcome) -> None:
    assert outcome("renewal", site(certificate(), renewals=renewals)) is expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (site(certificate(), root=True), Outcome.WARNING),
        (site(certificate(), root=True, tools=("certbot",)), Outcome.WARNING),
        (site(certificate(), root=True, servers=(WebServer("caddy"),)), Outcome.OK),
        (site(certificate(), root=True, servers=(WebServer("nginx", container=True),)), Outcome.UNKNOWN),
        (site(certificate(100, 265), root=True), Outcome.HINT),  # bought for a year
        (site(certificate(self_signed=True), root=True), Outcome.NOT_HERE),
    ],
)
def test_a_certificate_that_nothing_renews_is_noticed(facts: WebFacts, expected: Outcome) -> None:
    assert outcome("renewal", facts) is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (PlainAnswer("a.org", 301, "https://a.org/"), Outcome.OK),
        (PlainAnswer("a.org", 404), Outcome.OK),
        (PlainAnswer("a.org", 0), Outcome.OK),  # nginx closes with 444
        (PlainAnswer("a.org", 200), Outcome.WARNING),
        (PlainAnswer("a.org", 302, "http://a.org/login"), Outcome.WARNING),
        (PlainAnswer("a.org", 0, "", "timed out"), Outcome.UNKNOWN),
    ],
)
def test_pages_without_tls_are_noticed(answer: PlainAnswer, expected: Outcome) -> None:
    assert outcome("redirect", WebFacts(NOW, plain=(answer,))) is expected


EVIL = "[/b][red]\x1b[2J\u202e" * 40


def test_hostile_names_are_harmless() -> None:
    evil = Certificate(EVIL, (EVIL,), EVIL, EVIL, NOW - 89 * DAY, NOW + DAY, "x", used=True)
    unit = CertificateRenewal(EVIL, EVIL, True, True, NOW, EVIL, 1)
    facts = WebFacts(
        NOW,
        servers=(WebServer(EVIL, EVIL, False, EVIL, False, EVIL, (EVIL,)),),
        certificates=(evil,),
        served=(served(certificate(), EVIL, name=EVIL),),
        plain=(PlainAnswer(EVIL, 302, "http://" + EVIL, EVIL),),
        renewals=(unit, unit),
        services=ServiceFacts(
            1,
            listeners=(Listener("0.0.0.0", 8080, 7, EVIL, 1),),
            processes={"1": RunningServices(EVIL, ("vllm", EVIL), user=EVIL)},
        ),
    )
    for name in NAMES:
        result = judge(f"web.{name}", facts)
        assert all(drawable(line) for line in (result.text, result.step, result.value, *result.details)), name
        assert len(result.text) < 500
