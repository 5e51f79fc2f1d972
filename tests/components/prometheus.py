"""A real Prometheus on loopback, and promtool."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gpubox.common.prometheus.files import FILES
from gpubox.common.prometheus.scrape import RULES_FILE, scrape_config
from gpubox.common.yaml_text import yaml
from tests.components.parts import program
from tests.components.servers import free_port
from tests.hang import LIMIT


def promtool(*words: str, stdin: bytes = b"") -> tuple[int, str]:
    """Exit status and output of promtool: 1 is an error, 3 what its linter says."""
    done = subprocess.run(
        [program("promtool"), *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=LIMIT, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.decode()


T = TypeVar("T")


@dataclass
class PrometheusServer:
    """A running Prometheus."""

    port: int

    async def get(self, path: str, **query: str) -> Any:
        """The data of an answer of its API."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        return await asyncio.to_thread(_fetch, url)

    async def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series of an expression, as soon as there is one.

        On a busy machine a scrape may take too long, and until the next one there are no series.
        """

        async def asked() -> list[Any]:
            return (await self.get("query", query=expression))["result"]

        return [(row["metric"], float(row["value"][1])) for row in await until_so(asked, bool)]

    async def until_by_box(self, expression: str, expected: Mapping[str, float]) -> None:
        """Wait until an expression has these values by box, and no other."""

        async def asked() -> dict[str, float]:
            rows = (await self.get("query", query=expression))["result"]
            return {row["metric"].get("instance", ""): float(row["value"][1]) for row in rows}

        await until_so(asked, lambda found: found == expected)

    async def until_firing(self, alerts: set[tuple[str, str, str]]) -> None:
        """Wait until the alerts with these names, boxes and subjects fire, and no other."""

        async def asked() -> set[tuple[str, str, str]]:
            rows = (await self.get("alerts"))["alerts"]
            labels = [row["labels"] for row in rows if row["state"] == "firing"]
            return {(one["alertname"], one["instance"], one.get("subject", "")) for one in labels}

        await until_so(asked, lambda found: found == alerts)

    async def until_failing(self, box: str, words: str) -> None:
        """Wait until the last scrape of a box has failed with these words."""

        async def asked() -> dict[str, str]:
            targets = (await self.get("targets"))["activeTargets"]
            return {target["labels"]["instance"]: target["lastError"] for target in targets}

        await until_so(asked, lambda found: words in found[box])


async def until_so(ask: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    """Ask until the answer is as it should be, and return it."""
    found: T | None = None
    try:
        async with asyncio.timeout(LIMIT):
            while not holds(found := await ask()):  # noqa: ASYNC110 - Prometheus has no event to wait for
                await asyncio.sleep(0.1)
            return found
    except TimeoutError:
        raise AssertionError(f"the last answer was {found}") from None


def _fetch(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=LIMIT) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        with error:
            raise AssertionError(error.read().decode()) from None


@asynccontextmanager
async def scraping(folder: Path, targets: Mapping[str, int]) -> AsyncGenerator[PrometheusServer]:
    """Run a Prometheus with the shipped rules; `targets` are ports of loopback by names of boxes."""
    config = scrape_config()
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "200ms"}
    config["scrape_configs"][0]["static_configs"] = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": box}} for box, port in targets.items()
    ]
    (folder / RULES_FILE).write_text(FILES[RULES_FILE]())
    (folder / "prometheus.yml").write_text(yaml(config))
    port = free_port()
    words = [program("prometheus"), f"--config.file={folder}/prometheus.yml", "--log.level=warn"]
    words += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *words, stdout=log, stderr=log, env={**os.environ, "GOMAXPROCS": "1"}
        )
    server = PrometheusServer(port)
    try:
        await _ready(server, process, folder / "log")
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _ready(server: PrometheusServer, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(LIMIT):
        while process.returncode is None:
            with contextlib.suppress(OSError, AssertionError):
                await server.get("query", query="1")
                return
            await asyncio.sleep(0.05)
    said = await asyncio.to_thread(log.read_text)
    raise AssertionError(f"Prometheus did not start: {said[-2000:]}")
