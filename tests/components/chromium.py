"""A real Chromium without a screen, driven by its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from gpubox.rfb import image_files
from gpubox.rfb.image import Picture
from tests.components.parts import program
from tests.hang import LIMIT


class Tab:
    """A page in the browser."""

    def __init__(self, tools: ClientConnection, session: str) -> None:
        self._tools = tools
        self._session = session

    async def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method of the page; see https://chromedevtools.github.io/devtools-protocol."""
        return await call(self._tools, method, self._session, **parameters)

    async def picture(self) -> Picture:
        """Return what the page shows."""
        found = await self.ask("Page.captureScreenshot", format="png")
        return image_files.read(base64.b64decode(found["data"]))


async def call(
    tools: ClientConnection, method: str, session: str = "", **parameters: object
) -> dict[str, Any]:
    """Call a method of the browser, and return its result."""
    asked: dict[str, object] = {"id": 1, "method": method, "params": parameters}
    await tools.send(json.dumps({**asked, "sessionId": session} if session else asked))
    async for message in tools:
        answer = json.loads(message)
        if answer.get("id") == 1:
            assert "error" not in answer, answer
            return dict(answer["result"])
    raise AssertionError("the browser ended")


@asynccontextmanager
async def browsing(folder: Path, address: str) -> AsyncGenerator[Tab]:
    """Open an address in a browser that has its files in a folder; its path is short, for sockets."""
    words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
    process = await asyncio.create_subprocess_exec(
        program("chromium"),
        *words,
        f"--user-data-dir={folder}/profile",
        "--remote-debugging-port=0",
        "--window-size=800,600",
        "about:blank",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "HOME": str(folder), "TMPDIR": str(folder)},
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(LIMIT):
            while not (found := re.search(rb"ws://\S+", line := await process.stderr.readline())):
                assert line, "the browser ended"
        draining = asyncio.ensure_future(process.stderr.read())
        async with connect(found[0].decode(), max_size=None, compression=None) as tools:
            target = await call(tools, "Target.createTarget", url=address)
            session = await call(tools, "Target.attachToTarget", targetId=target["targetId"], flatten=True)
            yield Tab(tools, session["sessionId"])
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    draining.cancel()
