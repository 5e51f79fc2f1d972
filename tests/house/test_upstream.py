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

import asyncssh
import pytest
from asyncssh.auth import ClientAuth, _ClientPublicKeyAuth
from textual._context import active_message_pump
from textual.app import App
from textual.command import Provider
from textual.content import Content
from textual.message_pump import MessagePump
from textual.widget import Widget
from textual.widgets import Input

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
    """Private names of Textual's classes that classes of the panel define anew."""
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


def test_private_modules_of_textual_are_imported_in_one_place() -> None:
    lines = [
        f"{tree.name(path)}: {line}"
        for path in sorted((tree.PACKAGE / "ui").rglob("*.py"))
        for line in path.read_text().splitlines()
        if line.startswith("from textual._")
    ]
    assert lines == ["tui/gpubox/ui/app.py: from textual._context import active_message_pump"]


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
