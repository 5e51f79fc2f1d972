"""A desktop in the browser: the noVNC pages that the box has, and a WebSocket to the desktop, on loopback."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import mimetypes
import tarfile
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from secrets import token_hex, token_urlsafe
from urllib.parse import quote, unquote, urlsplit

from gpubox.core.errors import RemoteError, ToolMissing
from gpubox.core.loopback import LOOPBACK, closed, streaming
from gpubox.core.sanitize import clean
from gpubox.core.shell import Shell

_PLACES = (
    "/usr/share/novnc /usr/share/noVNC /usr/local/share/novnc /opt/novnc /opt/noVNC /usr/share/webapps/novnc"
)
_PACK = (
    f"exec sh -c 'for d in {_PLACES} $HOME/noVNC $HOME/novnc; do "
    '[ -f "$d/vnc.html" ] && [ -d "$d/core" ] && cd "$d" && echo %s && '
    "exec tar -chf - vnc.html app core vendor; "
    "done 2>/dev/null; exit 3'"
)
_KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455's constant for the answer to a WebSocket handshake."""
_LARGEST_FRAME = 1 << 24
_LARGEST = 64 << 20
"""Bytes of all pages together; noVNC has 2 million."""
_LONGEST_HEAD = 16384
_HEAD_SECONDS = 10.0


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
    site = _Site(files, port)
    words = f"autoconnect=1&resize=scale&path={quote(f'{site.token}/websockify', safe='')}"
    secret = f"#password={quote(password, safe='')}" if password else ""
    async with streaming(0, site.serve, limit=_LONGEST_HEAD) as at:
        yield f"http://127.0.0.1:{at}/{site.token}/vnc.html?{words}{secret}"


class _Site:
    """Answers one browser."""

    def __init__(self, files: Mapping[str, bytes], port: Callable[[], int]) -> None:
        self.token = token_urlsafe(16)
        self._files = files
        self._port = port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close; a WebSocket stays."""
        # The last two are of what no browser writes.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            await self._answer(reader, writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_HEAD_SECONDS):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        words = head[0].split(" ")
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:])
        }
        path = unquote(urlsplit(words[1]).path) if len(words) == 3 and words[0] == "GET" else ""
        inside = path.removeprefix(f"/{self.token}/")
        own = f"http://{fields.get('host', '')}"
        if fields.get("origin", own) != own:  # the script of another site, which may open any WebSocket
            inside = path
        if inside != path and inside == "websockify" and "sec-websocket-key" in fields:
            await _bridge(reader, writer, fields["sec-websocket-key"], self._port())
        elif inside != path and inside in self._files:
            kind = mimetypes.guess_type(inside)[0] or "application/octet-stream"
            await _send(writer, "200 OK", kind, self._files[inside])
        else:
            await _send(writer, "404 Not Found", "text/plain", b"Not here\n")


async def _send(writer: asyncio.StreamWriter, status: str, kind: str, body: bytes) -> None:
    fields = (
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "Referrer-Policy: no-referrer",
        "X-Content-Type-Options: nosniff",
    )
    writer.write("\r\n".join((*fields, "", "")).encode() + body)
    await writer.drain()


async def _bridge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str, port: int) -> None:
    """Carry bytes between a WebSocket and a port of this machine until one of them ends."""
    far, out = await asyncio.open_connection(LOOPBACK, port)
    accept = base64.b64encode(hashlib.sha1((key + _KEY).encode(), usedforsecurity=False).digest()).decode()
    writer.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
    )
    ways = {asyncio.ensure_future(_inward(reader, writer, out)), asyncio.ensure_future(_outward(far, writer))}
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        await closed(out)


async def _inward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, out: asyncio.StreamWriter
) -> None:
    """Pass on the browser's frames until it closes."""
    while True:
        first, second = await reader.readexactly(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
        if not second & 0x80 or size > _LARGEST_FRAME:
            return  # browsers mask what they send
        mask = await reader.readexactly(4)
        data = _unmasked(await reader.readexactly(size), mask)
        match first & 0x0F:
            case 8:
                return
            case 9:
                writer.write(_frame(10, data))
            case 10:
                continue
            case _:
                out.write(data)
                await out.drain()


async def _outward(far: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await far.read(65536):
        writer.write(_frame(2, data))
        await writer.drain()
    writer.write(_frame(8, b""))


def _frame(kind: int, data: bytes) -> bytes:
    size = len(data)
    if size < 126:
        return bytes([0x80 | kind, size]) + data
    if size < 1 << 16:
        return bytes([0x80 | kind, 126]) + size.to_bytes(2, "big") + data
    return bytes([0x80 | kind, 127]) + size.to_bytes(8, "big") + data


def _unmasked(data: bytes, mask: bytes) -> bytes:
    whole = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(whole, "big")).to_bytes(len(data), "big")
