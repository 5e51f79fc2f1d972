"""The log goes to a file, never to the screen."""

import subprocess
import sys
from pathlib import Path

from tests.commands.run import environment
from tests.hang import LIMIT


def logged(body: str, home: Path) -> str:
    """Run some code in a process of its own and return what it wrote to the terminal."""
    code = f"import logging\nfrom pathlib import Path\nfrom gpubox.commands import log\n{body}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=home,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=True,
    )
    return done.stdout


def test_the_panels_own_log_is_made_with_the_first_warning(home: Path) -> None:
    quiet = "log.quietly(Path('state/gpubox.log'))\nlogging.getLogger('asyncssh').info('connected')\n"
    assert logged(quiet, home) == ""
    assert list((home / "state").iterdir()) == []
    assert logged(quiet + "logging.getLogger('gpubox').warning('trouble')", home) == ""
    assert "WARNING gpubox: trouble" in (home / "state" / "gpubox.log").read_text()


def test_a_folder_that_cannot_be_made_takes_the_log_and_not_the_panel(home: Path) -> None:
    (home / "state").write_text("")
    assert logged("log.quietly(Path('state/gpubox.log'))\nlogging.warning('trouble')", home) == ""


def test_a_log_that_is_asked_for_holds_what_happens(home: Path) -> None:
    body = "log.to_file(Path('x.log'))\nlogging.getLogger('gpubox.ssh').debug('step')\n"
    assert logged(body + "logging.getLogger('asyncssh').info('connected')", home) == ""
    text = (home / "x.log").read_text()
    assert "DEBUG gpubox.ssh: step" in text
    assert "INFO asyncssh: connected" in text


def test_without_a_log_nothing_reaches_stderr(home: Path) -> None:
    assert logged("log.nowhere()\nlogging.getLogger('asyncio').warning('noise')", home) == ""
