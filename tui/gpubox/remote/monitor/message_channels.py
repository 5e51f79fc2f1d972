"""The ways in which a message leaves the box: a command, a webhook, ntfy, and mail.

Each function sends one message and raises SendError. Neither its words nor any log has a whole address:
the path of a webhook is as good as a password.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess

from gpubox.common.alerts.message import line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Mapping

    from gpubox.common.alerts.message import Message

    Row = Dict[str, Any]

PATIENCE = 10.0
"""Seconds for a server to answer."""
COMMAND_PATIENCE = 30.0
"""Seconds for a command."""
ANSWER = 4096
"""Most bytes of an answer that are read."""
SENDMAIL = ("/usr/sbin/sendmail", "/usr/lib/sendmail")
PRIORITY = {"critical": "5", "warning": "4", "info": "3"}
"""Priorities of ntfy, https://docs.ntfy.sh/publish/#message-priority"""
AGENT = "gpubox"


class SendError(Exception):
    """A message was not sent, with the reason in a few words."""

    def __init__(self, words: str, *, final: bool = False) -> None:
        super().__init__(line(words))
        self.final = final
        """Whether another try is of no use."""


def by_command(config: Row, message: Message, number: str) -> None:
    """Run a command of the shell with the event as JSON on stdin; it succeeds with exit status 0."""
    environment = {**os.environ, "GPUBOX_EVENT_ID": number, "GPUBOX_TITLE": message.title}
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", str(config["command"])],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise SendError("the command could not be started: %s" % error) from None
    try:
        process.communicate(_json(message), COMMAND_PATIENCE)
    except subprocess.TimeoutExpired:
        raise SendError("the command did not end within %d s" % COMMAND_PATIENCE, final=True) from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode:
        raise SendError("the command failed with status %d" % process.returncode)


def by_webhook(config: Row, message: Message, number: str) -> None:
    """POST the event as JSON; `Idempotency-Key` is the same when a message is sent again."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": number}
    _post(config, _json(message), headers)


def by_ntfy(config: Row, message: Message, number: str) -> None:
    """Publish to the topic of ntfy at `url`: title and priority are headers, the text is the body."""
    del number
    headers = {
        "Title": _header(message.title),
        "Priority": PRIORITY.get(message.severity, "3"),
        "Content-Type": "text/plain; charset=utf-8",
    }
    _post(config, message.text.encode("utf-8", "replace"), headers)


def by_mail(config: Row, message: Message, number: str) -> None:
    """Send a mail to `to`, by the server `host` or else by sendmail."""
    from email.message import EmailMessage
    from email.utils import format_datetime, localtime

    mail = EmailMessage()
    mail["Subject"] = message.title
    mail["To"] = line(str(config["to"]))
    mail["From"] = line(str(config.get("from") or "gpubox@" + os.uname().nodename))
    mail["Date"] = format_datetime(localtime())
    mail["Message-ID"] = "<gpubox-%s@%s>" % (number, os.uname().nodename)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text.encode("utf-8", "replace").decode("utf-8"))
    if config.get("host"):
        _by_smtp(config, mail)
    else:
        _by_sendmail(mail.as_bytes())


CHANNELS: Mapping[str, Callable[[Row, Message, str], None]] = {
    "command": by_command,
    "webhook": by_webhook,
    "ntfy": by_ntfy,
    "mail": by_mail,
}
"""The ways, by the kind that the configuration names."""
NEEDS: Mapping[str, str] = {"command": "command", "webhook": "url", "ntfy": "url", "mail": "to"}
"""The field of the configuration without which a way does not work."""


def wrong_in(config: Row) -> str:
    """Return why a channel cannot work as it is configured; empty when it can."""
    kind = str(config.get("kind"))
    if kind not in CHANNELS:
        return "there is no channel %s" % line(kind)
    if not config.get(NEEDS[kind]):
        return "%s needs %s" % (kind, NEEDS[kind])
    if NEEDS[kind] == "url" and not str(config["url"]).startswith(("http://", "https://")):
        return "%s needs an address that begins with https://" % kind
    if config.get("password") and _open_smtp(config) and not _is_loopback(str(config.get("host"))):
        return "the password for mail is only sent encrypted: tls must be starttls or tls"
    return ""


def _json(message: Message) -> bytes:
    return json.dumps(message.event).encode()


def _header(text: str) -> str:
    """Return text for a header of HTTP, which is ASCII: RFC 2047 else, which ntfy decodes."""
    if text.isascii():
        return text
    from email.header import Header

    return Header(text, "utf-8", maxlinelen=10_000).encode()


def _post(config: Row, body: bytes, headers: Dict[str, str]) -> None:
    """POST to an address; a redirect is an error, for it would take what is sent elsewhere."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.parse import urlsplit
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Refuse(HTTPRedirectHandler):
        """Follows no redirect."""

        def redirect_request(self, *_: Any, **__: Any) -> None:
            return None

    if config.get("token"):
        headers["Authorization"] = "Bearer %s" % config["token"]
    host = "?"
    try:
        host = urlsplit(str(config["url"])).hostname or "?"
        asked = Request(str(config["url"]), body, {"User-Agent": AGENT, **headers}, method="POST")
        with build_opener(Refuse).open(asked, timeout=PATIENCE) as answer:
            answer.read(ANSWER)
    except HTTPError as error:
        error.close()
        again = error.code in (408, 425, 429) or error.code >= 500
        raise SendError("%s answered %d" % (host, error.code), final=not again) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise SendError("%s: %s" % (host, reason)) from None


def _open_smtp(config: Row) -> bool:
    return bool(config.get("host")) and config.get("tls", "starttls") not in ("starttls", "tls")


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")


def _by_smtp(config: Row, mail: Any) -> None:
    import smtplib
    import ssl

    host, tls = str(config["host"]), config.get("tls", "starttls")
    port = int(config.get("port") or (465 if tls == "tls" else 587 if tls == "starttls" else 25))
    try:
        trust = ssl.create_default_context()
        if tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=PATIENCE, context=trust)
        else:
            server = smtplib.SMTP(host, port, timeout=PATIENCE)
        with server:
            if tls == "starttls":
                server.starttls(context=trust)
            if config.get("user"):
                server.login(str(config["user"]), str(config.get("password", "")))
            server.send_message(mail)
    except smtplib.SMTPAuthenticationError:
        raise SendError("%s refused the user or the password" % host, final=True) from None
    except smtplib.SMTPRecipientsRefused:
        raise SendError("%s refused the recipient" % host, final=True) from None
    except (OSError, smtplib.SMTPException, ValueError) as error:
        # The words of the server may repeat what it was sent.
        raise SendError("%s: %s" % (host, type(error).__name__)) from None


def _by_sendmail(data: bytes) -> None:
    program = next((path for path in SENDMAIL if os.access(path, os.X_OK)), None)
    if program is None:
        raise SendError("there is no sendmail on the box: name a mail server", final=True)
    try:
        done = subprocess.run(
            [program, "-t", "-i"],
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SendError("sendmail: %s" % type(error).__name__) from None
    if done.returncode:
        raise SendError("sendmail failed with status %d" % done.returncode)
