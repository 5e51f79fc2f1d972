"""What we patch or override in libraries, and the behavior of theirs that each patch relies on."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
import webbrowser
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import ClassVar

import asyncssh
import pytest
from asyncssh import SSHKeyPair
from asyncssh.agent import SSHAgentKeyPair
from asyncssh.auth import ClientAuth, _ClientPublicKeyAuth
from asyncssh.config import SSHClientConfig, SSHConfig
from textual._compositor import Compositor
from textual._context import active_message_pump
from textual.app import App
from textual.command import Provider
from textual.content import Content
from textual.drivers.linux_driver import LinuxDriver
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from gpubox.ssh.keys import FileKey, _AgentCertificate
from gpubox.ui import layout_events
from tests.house import tree

OVERRIDDEN = {
    "_dispatch_message",  # ui/failure_isolation.py: each panel survives its own exceptions
    "_handle_exception",  # ui/app.py: an unhandled exception ends the program with a sentence
    "_position_to_cell",  # ui/widgets/line_input.py: a line break takes one cell
    "_value",  # ui/widgets/line_input.py and secret_input.py: what an input draws
}
"""Private members of Textual that our classes replace; each has a test below."""
GENERATED = set(vars(type("Plain", (Widget,), {}))) | set(vars(type("Plain", (Provider,), {})))
"""What Textual itself writes into every subclass."""


def overridden() -> Iterator[str]:
    """Private names of Textual's classes that classes of the panel define again."""
    ui = importlib.import_module("gpubox.ui")
    for found in pkgutil.walk_packages(ui.__path__, "gpubox.ui."):
        module = importlib.import_module(found.name)
        for made in vars(module).values():
            if not inspect.isclass(made) or made.__module__ != found.name:
                continue
            theirs = [base for base in made.__mro__ if base.__module__.startswith("textual.")]
            for name in vars(made):
                private = name.startswith("_") and not name.startswith("__") and name not in GENERATED
                if private and any(name in vars(base) for base in theirs):
                    yield name


def calls(function: object, name: str) -> bool:
    """Whether the source of a library's function uses a name."""
    return f".{name}" in inspect.getsource(function)  # pyright: ignore[reportArgumentType]


def test_every_private_member_that_is_replaced_is_listed() -> None:
    assert set(overridden()) == OVERRIDDEN


def test_private_modules_of_textual_are_imported_in_two_places() -> None:
    lines = [
        f"{tree.name(path)}: {line}"
        for path in sorted((tree.PACKAGE / "ui").rglob("*.py"))
        for line in path.read_text().splitlines()
        if line.startswith("from textual._")
    ]
    assert lines == [
        "tui/gpubox/ui/app.py: from textual._context import active_message_pump",
        "tui/gpubox/ui/layout_events.py: from textual._compositor import Compositor, ReflowResult",
    ]


def test_textual_tells_widgets_that_its_map_did_not_have_before() -> None:
    # ui/layout_events.py takes those out of the map that no layout has placed; tests/ui/test_layout_events.py
    # fails once Textual tells them itself.
    assert calls(Compositor.full_map.fget, "_full_map = map")  # pyright: ignore[reportAttributeAccessIssue]
    assert "old_map = self._full_map" in inspect.getsource(layout_events._reflow)
    assert calls(Screen._refresh_layout, "reflow(self, size)")


def test_textual_dispatches_every_message_by_the_method_that_we_wrap() -> None:
    assert calls(MessagePump._process_messages_loop, "_dispatch_message(")
    assert inspect.iscoroutinefunction(MessagePump._dispatch_message)
    assert list(inspect.signature(MessagePump._dispatch_message).parameters) == ["self", "message"]


def test_textual_hands_unhandled_exceptions_to_the_app() -> None:
    assert calls(MessagePump._process_messages_loop, "_handle_exception(")
    assert list(inspect.signature(App._handle_exception).parameters) == ["self", "error"]
    app = App[None]()
    assert (app._return_code, app._exception, app._exception_event.is_set()) == (None, None, False)


def test_textual_knows_whose_message_is_being_handled() -> None:
    assert isinstance(active_message_pump, ContextVar)
    assert "active_message_pump.set(self)" in inspect.getsource(MessagePump)


def test_an_input_draws_its_private_value_and_places_its_cursor_by_cells() -> None:
    assert calls(Input.render_line, "_value")
    assert calls(Input._cursor_offset.fget, "_position_to_cell(")  # pyright: ignore[reportAttributeAccessIssue]
    assert isinstance(Input._value, property)
    assert list(inspect.signature(Input._position_to_cell).parameters) == ["self", "position"]


def test_a_border_subtitle_is_stored_under_the_name_that_we_write() -> None:
    widget = Widget()
    widget.border_subtitle = Content("one")
    assert widget._border_subtitle == Content("one")
    widget._border_subtitle = Content("two")
    assert widget.border_subtitle == "two"


@pytest.mark.parametrize("name", ["pause_writing", "resume_writing"])
def test_asyncssh_still_ignores_a_full_transport(name: str) -> None:
    # ssh/backpressure.py replaces both on each connection; a body of theirs would be lost.
    body = getattr(asyncssh.SSHClientConnection, name).__code__
    assert (body.co_names, body.co_argcount) == ((), 1)


def test_asyncssh_sends_a_key_by_the_method_that_we_wrap() -> None:
    # ssh/sign_at_once.py replaces it on each connection, and turns the first part of a key's request to True.
    assert calls(ClientAuth.send_request, "send_userauth_request(self._method, *args, key=key")
    assert "send_request(Boolean(False)," in inspect.getsource(_ClientPublicKeyAuth._start)


def test_asyncssh_reads_a_keyword_by_the_tables_that_we_extend(tmp_path: Path) -> None:
    # ssh/parser.py adds keywords to `_handlers` and `_no_split`; a handler takes its words off `args` and
    # keeps the first value in `_options`, and `_set_string` reads `none` as None.
    assert isinstance(SSHClientConfig._handlers, dict)
    assert all(isinstance(name, str) and callable(how) for name, how in SSHClientConfig._handlers.values())
    assert "stricthostkeychecking" not in SSHClientConfig._handlers
    assert "hashknownhosts" not in SSHClientConfig._handlers
    assert SSHClientConfig._handlers["identityagent"][0] == "IdentityAgent"
    assert SSHClientConfig._handlers["user"][0] == "User"
    assert calls(SSHConfig.parse, "_handlers[loption]")
    assert calls(SSHConfig.parse, "_no_split")
    assert "proxycommand" in SSHClientConfig._no_split

    class Noting(SSHClientConfig):
        def _note(self, option: str, args: list[str]) -> None:
            noted.append((option, list(args)))
            self._set_string(option, args)

        _handlers: ClassVar = {**SSHClientConfig._handlers, "mine": ("Mine", _note)}
        _no_split: ClassVar = {*SSHClientConfig._no_split, "mine"}

    noted: list[tuple[str, list[str]]] = []
    file = tmp_path / "config"
    file.write_text("Host box\n  Mine a b\n  Mine c\n  IdentityAgent none\n")
    read = Noting.load(None, [file], False, False, False, "me", "you", "box", 22)
    assert noted == [("Mine", ["a b"]), ("Mine", ["c"])]
    assert (read._options["Mine"], read._options["IdentityAgent"]) == ("a b", None)


def test_asyncssh_asks_a_key_for_its_type_by_the_attribute_that_we_set() -> None:
    # ssh/keys.py sets it on two kinds of keys, one of which signs as the agent's do.
    assert SSHKeyPair._key_type == "unknown"
    assert calls(SSHKeyPair.get_key_type, "_key_type")
    assert SSHAgentKeyPair._key_type == _AgentCertificate._key_type == "agent"
    assert FileKey._key_type not in ("unknown", "local", "agent", "pkcs11")


def test_textual_makes_tasks_eager_before_the_app_is_mounted() -> None:
    # ui/app.py puts the loop's own way back when it is mounted, which is after this line.
    source = inspect.getsource(App.run_async)
    assert source.index("loop.set_task_factory(asyncio.eager_task_factory)") < source.index(
        "app._process_messages("
    )
    assert source.count("set_task_factory") == 1


async def test_a_driver_writes_to_its_private_file_and_knows_its_app() -> None:
    # ui/terminal_driver.py replaces the file, and asks the app whether it has ended.
    assert calls(LinuxDriver.__init__, "_file = ")
    assert calls(LinuxDriver.start_application_mode, "_file")
    assert "WriterThread(self._file)" in inspect.getsource(LinuxDriver.start_application_mode)
    app = App[None]()
    driver = LinuxDriver(app)
    assert driver._app is app
    assert driver._file is not None


def test_asyncssh_searches_its_libraries_by_the_function_that_we_replace() -> None:
    # ssh/fast_import.py: in a process of its own, as this one has imported asyncssh already.
    program = (
        "import ctypes.util\n"
        "asked = []\n"
        "ctypes.util.find_library = lambda name: asked.append(name)\n"
        "import asyncssh\n"
        "print(len(asked))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(ran.stdout) >= 2


def test_browsers_in_the_background_have_the_parts_that_our_start_reads() -> None:
    # boxes/browser.py replaces `open` in a process of its own.
    browser = webbrowser.BackgroundBrowser(["program", "%s"])
    assert (browser.name, browser.args) == ("program", ["%s"])
    assert list(inspect.signature(webbrowser.BackgroundBrowser.open).parameters) == [
        "self", "url", "new", "autoraise",
    ]  # fmt: skip
