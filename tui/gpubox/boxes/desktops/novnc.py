"""A desktop in the browser: the noVNC pages that the box has, and a WebSocket to the desktop, on loopback."""

from __future__ import annotations

import asyncio
import io
import logging
import mimetypes
import tarfile
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from secrets import token_hex, token_urlsafe
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from gpubox.core.errors import RemoteError, ToolMissing
from gpubox.core.loopback import LOOPBACK, closed, listen
from gpubox.core.sanitize import clean
from gpubox.core.shell import Shell

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response
    from websockets.typing import Subprotocol

_PLACES = (
    "/usr/share/novnc /usr/share/noVNC /usr/local/share/novnc /opt/novnc /opt/noVNC /usr/share/webapps/novnc"
)
_PACK = (
    f"exec sh -c 'for d in {_PLACES} $HOME/noVNC $HOME/novnc; do "
    '[ -f "$d/vnc.html" ] && [ -d "$d/core" ] && cd "$d" && echo %s && '
    "exec tar -chf - vnc.html app core vendor; "
    "done 2>/dev/null; exit 3'"
)
_LARGEST_FRAME = 1 << 24
_LARGEST = 64 << 20
"""Bytes of all pages together; noVNC has 2 million."""
_OPEN_SECONDS = 10.0
"""For a browser to send its request."""
_CLOSE_SECONDS = 1.0
"""For a browser to answer that a WebSocket closes."""


async def fetch(shell: Shell) -> Mapping[str, bytes]:
    """Return noVNC's files from the box, by path; raises ToolMissing when it has none."""
    mark = f"gpubox-{token_hex(6)}"
    result = await shell.run(_PACK % mark, timeout=60)
    _, found, packed = result.stdout.partition(f"{mark}\n".encode())
    if not found:
        raise ToolMissing(
            "No noVNC",
            "The box has no noVNC pages",
            "On the box: sudo apt install novnc; or install a VNC viewer here",
        )
    try:
        files = _unpacked(packed)
    except (tarfile.TarError, ValueError, RecursionError) as error:  # headers within headers
        raise RemoteError(
            "No noVNC", f"Its pages did not come over whole: {clean(str(error), 200)}"
        ) from error
    if "vnc.html" not in files:
        raise RemoteError("No noVNC", "The pages on the box are not noVNC's")
    return files


def _unpacked(packed: bytes) -> dict[str, bytes]:
    """Return the files of an archive, by path; raises TarError, and ValueError for one over _LARGEST.

    Only uncompressed archives: a hostile box could send a few bytes that unpack to gigabytes.
    """
    files: dict[str, bytes] = {}
    left = _LARGEST
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:") as archive:
        for member in archive:
            if member.isfile() and (taken := archive.extractfile(member)) is not None:
                left -= member.size
                if left < 0:
                    raise ValueError("they are larger than any noVNC")
                files[member.name.removeprefix("./")] = taken.read()
    return files


@asynccontextmanager
async def page(files: Mapping[str, bytes], port: Callable[[], int], password: str) -> AsyncGenerator[str]:
    """Serve noVNC for the desktop behind a port of this machine; give the address to open.

    The address holds a token, so that no other user of this machine can open it, and it holds the password
    behind its `#`, which browsers keep to themselves.
    """
    from websockets.asyncio.server import serve  # 30 ms that only this needs

    site = _Site(files, port)
    words = f"autoconnect=1&resize=scale&path={quote(f'{site.token}/websockify', safe='')}"
    secret = f"#password={quote(password, safe='')}" if password else ""
    listener = listen(0)
    server = serve(
        site.bridge,
        sock=listener,
        process_request=site.answer,
        select_subprotocol=_subprotocol,
        compression=None,
        server_header=None,
        open_timeout=_OPEN_SECONDS,
        close_timeout=_CLOSE_SECONDS,
        ping_interval=None,  # the link notices when the box is gone
        max_size=_LARGEST_FRAME,
        logger=logging.Logger("novnc", logging.CRITICAL),  # a request holds the token
    )
    async with server:
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}/{site.token}/vnc.html?{words}{secret}"


def _subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Return what old noVNC insists on."""
    return next((one for one in offered if one == "binary"), None)


class _Site:
    """Answers one browser."""

    def __init__(self, files: Mapping[str, bytes], port: Callable[[], int]) -> None:
        self.token = token_urlsafe(16)
        self._files = files
        self._port = port

    def answer(self, _: ServerConnection, request: Request) -> Response | None:
        """Return a page, or that there is none; None lets a WebSocket through."""
        inside, found, path = unquote(urlsplit(request.path).path).partition(f"/{self.token}/")
        own = f"http://{request.headers.get('Host', '')}"
        # The script of another site may open any WebSocket.
        foreign = inside or not found or request.headers.get("Origin", own) != own
        if not foreign and path == "websockify":
            return None
        if foreign or request.method != "GET" or path not in self._files:
            return _response(404, "Not Found", "text/plain", b"Not here\n")
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        return _response(200, "OK", kind, self._files[path])

    async def bridge(self, browser: ServerConnection) -> None:
        """Carry bytes between a WebSocket and the desktop until one of them ends."""
        far, out = await asyncio.open_connection(LOOPBACK, self._port())
        ways = {asyncio.ensure_future(_inward(browser, out)), asyncio.ensure_future(_outward(far, browser))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            await closed(out)


def _response(status: int, reason: str, kind: str, body: bytes) -> Response:
    from websockets.datastructures import Headers
    from websockets.http11 import Response

    fields = {
        "Content-Type": kind,
        "Content-Length": str(len(body)),
        "Connection": "close",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(status, reason, Headers(fields), body)


async def _inward(browser: ServerConnection, out: asyncio.StreamWriter) -> None:
    async for message in browser:
        out.write(message if isinstance(message, bytes) else message.encode())
        await out.drain()


async def _outward(far: asyncio.StreamReader, browser: ServerConnection) -> None:
    while data := await far.read(65536):
        await browser.send(data)
