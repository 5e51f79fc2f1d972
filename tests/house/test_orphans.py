"""A test that leaves a process fails, and the process is named and ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hang import LIMIT
from tests.house import tree

LEAVING = """
import subprocess
from tests import orphans
orphans.LIMIT = 0.1

def test_leaves(tmp_path):
    subprocess.run(["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!"], cwd=tmp_path, env={})
"""


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux only")
def test_a_test_that_leaves_a_process_fails_and_names_it(tmp_path: Path) -> None:
    (tmp_path / "test_leaving.py").write_text(LEAVING)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(tree.ROOT), str(tree.ROOT / "tui")])
    words = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*words, "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)],
        env=environment, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    pid = next(line for line in done.stdout.split() if line.isdecimal())
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"pid {pid}: sleep 1000" in done.stdout
    assert not Path(f"/proc/{pid}").exists()
