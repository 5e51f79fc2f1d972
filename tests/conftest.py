"""What holds for every test: the same examples on CI, a report of each failure, no process left."""

from __future__ import annotations

import ast
import gc
import os
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import settings

from gpubox.core import gc_tuning
from gpubox.core.signals import reset_inherited
from gpubox.ssh import fast_import
from tests import orphans

fast_import.load()  # as the program does, before a test imports asyncssh with all its parts

# A user's run looks for new examples; a run that decides about a change must not depend on luck.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=False)
settings.register_profile("person", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "person")

_LEFT = pytest.StashKey[list[str]]()


_parse = ast.parse


def _parsed(*source: Any, **options: Any) -> Any:
    with gc_tuning.paused():
        return _parse(*source, **options)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let all that tests start hear signals, and be adopted when its parent ends before it."""
    if not hasattr(config, "workerinput"):  # a worker of xdist is below the process that adopts already
        orphans.adopt()
    reset_inherited()
    for name in ("SUDO_UID", "SUDO_GID", "SUDO_USER", "SUDO_COMMAND"):
        os.environ.pop(name, None)  # a run behind sudo is one of root
    # Garbage of one test may be collected while another one, or the report of a failure, parses a source.
    ast.parse = _parsed


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over all that was imported: it takes a fifth of the time of tests/ui."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True, scope="module")
def no_process_is_left(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """Fail the last test of a module when one of them left a process; other fixtures have ended by then."""
    yield
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    # With the environment of its own a program has at least a folder of the test.
    ours = (f"PYTEST_XDIST_WORKER={worker}", str(tmp_path_factory.getbasetemp())) if worker else ("",)
    if left := orphans.left(*ours):
        pytest.fail("a test of this module left\n" + "\n".join(left), pytrace=False)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a process is left that no module could be blamed for."""
    if not hasattr(session.config, "workerinput") and (left := orphans.left("")):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        session.config.stash[_LEFT] = left


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name what is left."""
    for line in config.stash.get(_LEFT, []):
        terminalreporter.write_line(f"LEFT RUNNING {line}", red=True)
