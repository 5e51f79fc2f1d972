"""Servers on loopback that take messages: one of HTTP, and one of SMTP."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Post:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Web:
    """A server of HTTP, with what it was sent and what it answers next."""

    port: int = 0
    posts: list[Post] = field(default_factory=list[Post])
    status: int = 200
    location: str = ""

    @property
    def url(self) -> str:
        """Its address, with a path that nobody else may see."""
        return f"http://127.0.0.1:{self.port}/hooks/secret-path"


@contextmanager
def serving(server: socketserver.TCPServer) -> Generator[int]:
    """Serve from a thread; the value is the port."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def web() -> Generator[Web]:
    """Run a server of HTTP."""
    state = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:  # who sent it was killed meanwhile: nothing arrived
                self.close_connection = True
                return
            state.posts.append(
                Post(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            )
            self.send_response(state.status)
            if state.location:
                self.send_header("Location", state.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            state.posts.append(Post(self.path, {}, b""))
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as state.port:
        yield state


@dataclass
class Mails:
    """A server of SMTP, with the lines of each session."""

    port: int = 0
    sessions: list[list[str]] = field(default_factory=list[list[str]])
    refused: str = ""
    """The command that it refuses."""


@contextmanager
def mail_server() -> Generator[Mails]:
    """Run a server of SMTP without encryption."""
    state = Mails()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            lines: list[str] = []
            state.sessions.append(lines)
            self.wfile.write(b"220 here\r\n")
            in_mail = False
            for raw in self.rfile:
                line = raw.decode().rstrip("\r\n")
                lines.append(line)
                if in_mail:
                    in_mail = line != "."
                    answer = b"" if in_mail else b"250 taken\r\n"
                elif state.refused and line.upper().startswith(state.refused):
                    answer = b"550 no\r\n"
                elif line.upper() == "DATA":
                    in_mail, answer = True, b"354 go on\r\n"
                elif line.upper() == "QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                else:
                    answer = b"250 fine\r\n"
                self.wfile.write(answer)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with serving(Server(("127.0.0.1", 0), Handler)) as state.port:
        yield state
