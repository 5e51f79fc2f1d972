"""Checks of certificates against a real nginx: expired, fresh, short-lived, renewed and not reloaded."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from gpubox.boxes.checks.check import Outcome, Result
from gpubox.boxes.checks.web.facts import WebFacts
from gpubox.remote.checks import web
from gpubox.remote.json_io import encoded
from tests.boxes.checks.facts import judge
from tests.components.parts import program
from tests.components.servers import end, free_port
from tests.components.test_fixes_sshd import fixes
from tests.drawable import drawable
from tests.hang import LIMIT
from tests.process_tree import children
from tests.remote.checks.made_certificates import DAY, certificate
from tests.remote.fixes.program import FixesProgram, Refusal

__all__ = ["fixes"]  # a fixture

NAME = "gpu.example.org"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Nginx:
    """A running nginx with a folder of its own; its certificate is `live.pem` there."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process, port: int) -> None:
        self.folder = folder
        self.process = process
        self.port = port

    async def facts(self) -> WebFacts:
        """Gather the facts of this machine, and return those of this server alone."""
        every = msgspec.json.decode(encoded(await asyncio.to_thread(web.gather)), type=WebFacts)
        here = str(self.folder)
        return msgspec.structs.replace(
            every,
            servers=tuple(one for one in every.servers if one.config.startswith(here)),
            certificates=tuple(one for one in every.certificates if one.path.startswith(here)),
            served=tuple(one for one in every.served if one.port == self.port),
            hidden=(),
            stopped=(),
        )

    async def found(self, *names: str) -> list[Result]:
        """Return what some checks come to."""
        facts = await self.facts()
        return [judge(f"web.{name}", facts) for name in names]


def configured(folder: Path, port: int, name: str) -> Path:
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in TEMPORARY)
    (folder / "sites").mkdir(exist_ok=True)
    (folder / "sites" / "site.conf").write_text(
        f"server {{ listen 127.0.0.1:{port} ssl; server_name {name};\n"
        "  ssl_certificate live.pem; ssl_certificate_key live.key;  # relative to the configuration\n"
        "  location / { return 200 ok; } }\n"
    )
    path = folder / "nginx.conf"
    path.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/log; events {{}}\n"
        f"http {{ access_log off; {temporary} include sites/*.conf; }}\n"
    )
    return path


@asynccontextmanager
async def nginx(folder: Path, name: str = NAME) -> AsyncGenerator[Nginx]:
    """Run nginx until the block ends."""
    port = free_port()
    path = configured(folder, port, name)
    process = await asyncio.create_subprocess_exec(
        program("nginx"), "-c", str(path), "-p", str(folder), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(LIMIT):
            while process.returncode is None and not listens(port):  # noqa: ASYNC110 - a socket has no event
                await asyncio.sleep(0.02)
        assert process.returncode is None, (folder / "log").read_text()[-1000:]
        yield Nginx(folder, process, port)
    finally:
        workers = children(process.pid)
        for pid in (process.pid, *workers):
            end(pid)
        await process.wait()


def listens(port: int) -> bool:
    return port in web.listening()


@pytest.mark.parametrize(
    ("age", "left", "outcome"),
    [
        (1, 89, Outcome.OK),
        (61, 29, Outcome.WARNING),  # under a third of 90 days
        (77, 13, Outcome.FAILED),  # under a sixth
        (91, -1, Outcome.FAILED),
        (1, 5.6, Outcome.OK),  # of the kind that lives for 6 days
        (5, 1.6, Outcome.WARNING),
        (5.7, 0.9, Outcome.FAILED),
        (3650 - 100, 100, Outcome.OK),
        (-1, 90, Outcome.FAILED),
    ],
)
async def test_a_certificate_is_judged_by_its_share_of_life(
    tmp_path: Path, age: float, left: float, outcome: Outcome
) -> None:
    now = time.time()
    certificate([NAME], now - age * DAY, now + left * DAY).write(tmp_path)
    async with nginx(tmp_path) as server:
        life, served, names, issuer, valid, runs = await server.found(
            "certificate", "served", "names", "issuer", "configuration", "server"
        )
    assert life.outcome is outcome, life
    assert {one.outcome for one in (served, names, issuer, valid, runs)} == {Outcome.OK}
    assert issuer.value == "R11"


async def test_a_renewed_certificate_that_the_server_did_not_load_is_seen_until_the_fix_reloads_it(
    tmp_path: Path, fixes: FixesProgram
) -> None:
    now = time.time()
    certificate([NAME], now - 70 * DAY, now + 5 * DAY).write(tmp_path)
    async with nginx(tmp_path) as server:
        certificate([NAME], now - DAY, now + 89 * DAY).write(tmp_path)
        served, life = await server.found("served", "certificate")
        assert (served.outcome, served.value) == (Outcome.FAILED, "differ")
        assert "reload nginx" in served.step
        assert life.outcome is Outcome.OK  # the cause is said once
        fix = served.fix
        assert fix is not None
        assert not fix.needs_root
        changes = fixes.apply(commands=msgspec.to_builtins(fix.commands))
        assert changes["state"] == "applied"
        async with asyncio.timeout(LIMIT):
            while (await server.found("served"))[0].outcome is not Outcome.OK:  # noqa: ASYNC110 - nor this
                await asyncio.sleep(0.05)
    assert fixes.ask("list")["entries"][0]["state"] == "done"


async def test_a_broken_configuration_is_not_reloaded(tmp_path: Path, fixes: FixesProgram) -> None:
    now = time.time()
    certificate([NAME], now - 70 * DAY, now + 5 * DAY).write(tmp_path)
    async with nginx(tmp_path) as server:
        certificate([NAME], now - DAY, now + 89 * DAY).write(tmp_path)
        (served,) = await server.found("served")
        assert served.fix is not None
        (tmp_path / "sites" / "other.conf").write_text("server {\n  lissten 80;\n}\n")
        with pytest.raises(Refusal, match="test failed"):
            fixes.apply(commands=msgspec.to_builtins(served.fix.commands))
        (served,) = await server.found("served")
        assert (served.value, served.fix) == ("differ", None)


async def test_a_broken_configuration_is_named_with_its_line(tmp_path: Path) -> None:
    now = time.time()
    certificate([NAME], now - DAY, now + 89 * DAY).write(tmp_path)
    async with nginx(tmp_path) as server:
        (tmp_path / "sites" / "other.conf").write_text("server {\n  lissten 80;\n}\n")
        (result,) = await server.found("configuration")
    assert result.outcome is Outcome.FAILED
    assert re.search(r'unknown directive "lissten" in \S+/other\.conf:2', result.text)


async def test_a_name_that_a_test_would_look_up_is_not_looked_up(tmp_path: Path) -> None:
    now = time.time()
    certificate([NAME], now - DAY, now + 89 * DAY).write(tmp_path)
    async with nginx(tmp_path) as server:
        (tmp_path / "sites" / "other.conf").write_text(
            "server { location / { proxy_pass http://app.example.org; } }"
        )
        (result,) = await server.found("configuration")
    assert result.outcome is Outcome.UNKNOWN
    assert "app.example.org" in result.text


async def test_a_self_signed_certificate_for_another_name_is_a_hint(tmp_path: Path) -> None:
    now = time.time()
    certificate(["localhost"], now - DAY, now + 3650 * DAY, issuer="").write(tmp_path)
    async with nginx(tmp_path) as server:
        issuer, names = await server.found("issuer", "names")
    assert issuer.outcome is Outcome.HINT
    assert names.outcome is Outcome.NOT_HERE


async def test_a_certificate_for_another_name_fails(tmp_path: Path) -> None:
    now = time.time()
    certificate(["other.example.org"], now - DAY, now + 89 * DAY).write(tmp_path)
    async with nginx(tmp_path) as server:
        (result,) = await server.found("names")
    assert result.outcome is Outcome.FAILED


async def test_markup_and_escapes_in_names_are_harmless(tmp_path: Path) -> None:
    now = time.time()
    evil = "[/b][red]\x1b[2J\u202egro"
    certificate([], now - 89 * DAY, now + DAY, subject=evil, issuer=evil, owner=evil).write(tmp_path)
    async with nginx(tmp_path, '"[/b]\x1b]0;x\x07" [bold]') as server:
        results = await server.found("certificate", "served", "names", "issuer", "configuration", "server")
    assert results[0].outcome is Outcome.FAILED
    assert "[/b][red]" in results[0].text
    assert all(drawable(line) for result in results for line in (result.text, result.value, *result.details))


def test_openssl_reads_the_same_from_a_certificate(tmp_path: Path) -> None:
    now = time.time()
    path = certificate([NAME, "*.example.org"], now - DAY, now + 89 * DAY, owner="Let's Encrypt").write(
        tmp_path
    )
    command = [program("openssl"), "x509", "-noout", "-fingerprint", "-sha256", "-in", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    row = web.certificates.on_disk(str(path))
    assert done.stdout.strip().rpartition("=")[2].replace(":", "").lower() == row["fingerprint"]
