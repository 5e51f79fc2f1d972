"""Facts of web servers, certificates and open services, as remote/checks/web.py gathers them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from gpubox.boxes.checks.check import Facts
from gpubox.boxes.services.facts import ServiceFacts
from gpubox.core.bounds import Moment, Port, Whole
from gpubox.core.sanitize import clean

_WARNING = (3, 30 * 86400)
_FAILED = (6, 15 * 86400)
"""A renewal is late below this part of the lifetime, or this many seconds where that is less.

A certificate of ten years needs no renewal three years early.
"""


class Certificate(msgspec.Struct, frozen=True):
    """What the checks show of a certificate."""

    path: str = ""
    names: tuple[str, ...] = ()
    """The names that it is for."""
    subject: str = ""
    issuer: str = ""
    begins: Moment = 0
    ends: Moment = 0
    fingerprint: str = ""
    self_signed: bool = False
    used: bool = False
    """Whether a configuration names its file."""
    error: str = ""
    """Why it could not be read."""

    @property
    def title(self) -> str:
        """Its name in a sentence."""
        return clean(self.names[0] if self.names else self.subject or self.path, 80) or "without a name"

    def left(self, time: float) -> float:
        """Seconds of its life at a time; negative after its end."""
        return self.ends - time

    def late(self, time: float) -> bool:
        """Whether it should have been renewed by a time."""
        return self.left(time) < self._below(*_WARNING)

    def very_late(self, time: float) -> bool:
        """Whether it soon ends, or has."""
        return self.left(time) < self._below(*_FAILED)

    def _below(self, part: int, seconds: float) -> float:
        return min((self.ends - self.begins) / part, seconds)


class WebServer(msgspec.Struct, frozen=True):
    """A web server that runs."""

    name: str
    """nginx, apache or caddy."""
    user: str = ""
    container: bool = False
    config: str = ""
    """Its configuration file."""
    valid: bool | None = None
    """Whether its configuration is; None where that is unknown."""
    problem: str = ""
    """Why it is not valid, or why that is unknown."""
    warnings: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    """Files of the configuration that could not be read."""
    mine: bool = False
    """Whether the user of the login runs it."""
    prefix: str = ""
    """The folder after -p in the command line of nginx."""
    unit: str = ""
    """The service of systemd that it runs as; empty for another process."""


class StoppedServer(msgspec.Struct, frozen=True):
    """A web server that systemd was to start, and that does not run."""

    unit: str
    state: str = ""


class ServedCertificate(msgspec.Struct, frozen=True):
    """What a server of the box gives out."""

    certificate: Certificate
    server: str = ""
    name: str = ""
    """The name that it was asked for; empty for none."""
    host: str = ""
    port: Port = 443
    paths: tuple[str, ...] = ()
    """The files that its configuration names."""

    @property
    def place(self) -> str:
        """The name and port in a sentence."""
        return f"{clean(self.name, 80) or 'the default site'} at port {self.port}"


class PlainAnswer(msgspec.Struct, frozen=True):
    """How a server of the box answers at port 80, without TLS."""

    name: str
    status: Whole = 0
    """0 when it closed the connection without an answer."""
    location: str = ""
    error: str = ""


class CertificateRenewal(msgspec.Struct, frozen=True):
    """A timer or a line of cron that renews certificates."""

    tool: str
    by: str
    """The unit, or the file of cron."""
    enabled: bool = False
    active: bool = False
    ran: Moment | None = None
    """When it last ran; None for never, or where nothing says so."""
    result: str = ""
    """What systemd says of its last run: `success`, `exit-code`; empty where nothing says so."""
    status: Whole | None = None
    file_state: str = ""
    """What systemd says of its unit: `enabled`, `disabled`, `masked`, `static`; empty for cron."""


class WebFacts(Facts, frozen=True):
    """Web servers of a box, their certificates, and what else is open."""

    SECTION: ClassVar[str] = "web"

    time: Moment = 0
    """Seconds since the epoch, by the clock of the box."""
    root: bool = False
    servers: tuple[WebServer, ...] = ()
    stopped: tuple[StoppedServer, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    """Those on disk."""
    hidden: tuple[str, ...] = ()
    """Folders of certificates that need root."""
    served: tuple[ServedCertificate, ...] = ()
    tls: tuple[Port, ...] = ()
    """Ports that speak TLS by their configuration, and 443 where something listens there."""
    plain: tuple[PlainAnswer, ...] = ()
    renewals: tuple[CertificateRenewal, ...] | None = None
    """None where nothing could be found out."""
    tools: tuple[str, ...] = ()
    """Programs on the box that get certificates."""
    services: ServiceFacts | None = None
    """What listens for other machines; a mark stands for each token."""

    def on_disk(self, served: ServedCertificate) -> list[Certificate]:
        """Return the readable certificates that a site should give out by its configuration."""
        return [one for one in self.certificates if one.path in served.paths and not one.error]

    def in_use(self) -> Iterator[Certificate]:
        """Yield the certificates that sites use: of each the file, or what is served where that is hidden."""
        given: set[str] = set()
        for one in self.certificates:
            if one.used and not one.error:
                given.add(one.fingerprint)
                yield one
        for served in self.served:
            one = served.certificate
            if not one.error and one.fingerprint not in given and not self.on_disk(served):
                given.add(one.fingerprint)
                yield one
