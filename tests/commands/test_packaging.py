"""The wheel holds the program and its data, and works from wherever it lies."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.commands.run import ROOT
from tests.hang import LIMIT

APART = "import os, sys; sys.path.insert(0, os.environ['WHEEL']); from gpubox.cli import main; main()"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive, built without any network."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=LIMIT,
    )
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        archive.extractall(folder)
    return folder


def from_wheel(wheel: Path, *words: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """Run the program out of the unpacked wheel, with the checkout out of sight."""
    return subprocess.run(
        [sys.executable, "-c", APART, *words],
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "WHEEL": str(wheel)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def test_the_wheel_holds_every_file_of_the_program_and_its_data(wheel: Path) -> None:
    ignored = {"__pycache__"}
    program = {
        path.relative_to(ROOT / "tui")
        for path in (ROOT / "tui" / "gpubox").rglob("*")
        if path.is_file() and not ignored & set(path.parts)
    }
    data = {
        Path("gpubox/_config") / path.relative_to(ROOT / "config")
        for path in (ROOT / "config").rglob("*")
        if path.is_file()
    }
    packed = {path.relative_to(wheel) for path in wheel.rglob("*") if path.is_file()}
    assert {path for path in packed if ".dist-info" not in path.parts[0]} == program | data


def test_the_wheel_names_the_command_and_the_license(wheel: Path) -> None:
    about = next(wheel.glob("*.dist-info"))
    assert "gpubox-tui = gpubox.cli:main" in (about / "entry_points.txt").read_text()
    assert (about / "licenses" / "LICENSE").is_file()


def project() -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_version_is_the_newest_of_the_changelog() -> None:
    versions = re.findall(r"(?m)^## \[(\d[^]]*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text())
    assert versions[0] == project()["version"]


def test_every_python_that_may_run_it_is_listed() -> None:
    listed = re.findall(r"Python :: 3\.(\d+)", "\n".join(project()["classifiers"]))
    oldest = int(project()["requires-python"].removeprefix(">=3."))
    assert [int(minor) for minor in listed] == list(range(oldest, 15))


def test_the_wheel_says_where_its_home_is_and_describes_itself_by_the_readme(wheel: Path) -> None:
    metadata = (next(wheel.glob("*.dist-info")) / "METADATA").read_text()
    addresses = set(project().get("urls", {}).values())
    assert set(re.findall(r"(?m)^Project-URL: \w+, (.+)$", metadata)) == addresses
    assert metadata.endswith((ROOT / "README.md").read_text())


def test_settings_come_out_of_the_wheel(wheel: Path, tmp_path: Path) -> None:
    ran = from_wheel(wheel, "config", "init", home=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    (wheel / "gpubox" / "_config" / "gpubox.toml").stat()
    assert "#interval = 1.0" in (tmp_path / ".config" / "gpubox-tui" / "gpubox.toml").read_text()


def test_the_demo_runs_out_of_the_wheel(wheel: Path, tmp_path: Path) -> None:
    ran = from_wheel(wheel, "demo", home=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "RTX 4090" in ran.stdout


def test_the_schema_is_made_out_of_the_wheel(wheel: Path, tmp_path: Path) -> None:
    ran = from_wheel(wheel, "config", "schema", home=tmp_path)
    assert "Seconds between readings." in ran.stdout


def test_the_source_archive_holds_what_the_wheel_is_made_of(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "config/gpubox.toml", "tui/gpubox/cli.py"} <= held
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    assert {path.relative_to(ROOT).as_posix() for path in pages} <= held
    assert not [name for name in held if name.startswith("screenshots")]
