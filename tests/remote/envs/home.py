"""A home with environments made of files, and the program for environments that looks at it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec

from gpubox.core.env import Env, Envs
from tests.hang import LIMIT
from tests.remote.bundles import lay

HOSTILE = (
    "two words",
    "it's",
    'say "hi"',
    "$(touch owned)",
    "`touch owned`",
    "-n",
    "a\nb",
    "; touch owned",
    "\U0001f600 emoji",
    "100%s",
    "back\\slash",
    "wei!rd*?[x]",
)
"""Names that a user may have given an environment, or may want us to stumble over."""


class Home:
    """A home on a box."""

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self.path = folder / "home"
        # In a home without this folder fish leaves a program in the background that reads all manual pages.
        (self.path / ".local" / "share" / "fish" / "generated_completions").mkdir(parents=True)
        self.state = folder / "state"
        self.python = python
        self.before: list[str] = []
        """Words in front of the program, such as another user's."""
        self.program = folder / "kept"
        lay(self.program, "gpubox.remote.envs.main")
        self.command = [python, "-I", "-S", str(self.program / "run.py"), "gpubox.remote.envs.main"]
        """What runs the program."""

    def environment(self, **more: str) -> dict[str, str]:
        """What a login without a terminal has."""
        return {
            "HOME": str(self.path),
            "LANG": "C.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "GPUBOX_STATE_DIR": str(self.state),
            **more,
        }

    def ask(self, verb: str, *words: str, environment: Mapping[str, str] = {}, **asked: object) -> object:
        """Run a verb and return its answer."""
        done = subprocess.run(
            [*self.before, *self.command, verb, *words],
            input=json.dumps(asked).encode(),
            capture_output=True,
            env=self.environment(**environment),
            cwd=self.path,
            timeout=LIMIT,
            check=False,
        )
        assert done.stderr == b""
        return json.loads(done.stdout)

    def scan(self, environment: Mapping[str, str] = {}, **asked: object) -> Envs:
        """Look at the environments."""
        return msgspec.convert(self.ask("scan", environment=environment, **asked), Envs)

    def named(self, name: str) -> Env:
        """Look, and return the one environment of a name."""
        (found,) = [env for env in self.scan().envs if env.name == name]
        return found

    def activated(
        self, prefix: Path, kind: str = "conda", environment: Mapping[str, str] = {}
    ) -> dict[str, str]:
        """What `activate` returns, as the supervisor of jobs calls it; raises RuntimeError with its words."""
        code = (
            "import json, sys; sys.path.insert(0, sys.argv[1])\n"
            "from gpubox.remote.envs import activate\n"
            "try: told = {'environment': activate.activate(sys.argv[2], sys.argv[3])}\n"
            "except activate.ActivationError as error: told = {'words': str(error)}\n"
            "print('\\n' + json.dumps(told))"
        )
        done = subprocess.run(
            [self.python, "-I", "-S", "-c", code, str(self.program), str(prefix), kind],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=self.environment(**environment),
            timeout=LIMIT + 30,
            check=True,
        )
        reported = cast("dict[str, object]", json.loads(done.stdout.splitlines()[-1]))
        if "words" in reported:
            raise RuntimeError(reported["words"])
        return cast("dict[str, str]", reported["environment"])

    def root(self, place: str = "miniconda3") -> Path:
        """Make an installation of conda, as far as files show it."""
        root = self.path / place
        for name in ("bin/conda", "condabin/conda", "etc/profile.d/conda.sh"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch(0o755)
        self.fill(root)
        return root

    def fill(self, prefix: Path, packages: Mapping[str, str] = {"python": "3.11.4-h1_0"}) -> Path:
        """Make a conda environment of packages: name to `version-build`."""
        (prefix / "conda-meta").mkdir(parents=True, exist_ok=True)
        (prefix / "conda-meta" / "history").touch()
        (prefix / "bin").mkdir(exist_ok=True)
        for name, version in packages.items():
            channel = {"channel": "https://conda.example/conda-forge/linux-64"}
            (prefix / "conda-meta" / f"{name}-{version}.json").write_text(json.dumps(channel))
            if name == "python":
                python = prefix / "bin" / "python"
                python.unlink(missing_ok=True)
                python.symlink_to(os.path.realpath(sys.executable))
                self.site(prefix, version).mkdir(parents=True, exist_ok=True)
        return prefix

    def site(self, prefix: Path, version: str = "3.11") -> Path:
        """The folder of an environment's Python packages."""
        return prefix / "lib" / f"python{'.'.join(version.split('.')[:2])}" / "site-packages"

    def venv(self, prefix: Path, maker: str = "", home: str = "") -> Path:
        """Make a virtual environment of files; `maker` is a line that the tool adds to its configuration."""
        (prefix / "bin").mkdir(parents=True)
        (prefix / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
        self.site(prefix).mkdir(parents=True)
        base = home or os.path.dirname(os.path.realpath(sys.executable))
        (prefix / "pyvenv.cfg").write_text(f"home = {base}\nversion_info = 3.11.4\n{maker}\n")
        return prefix

    def wheel(
        self, prefix: Path, name: str, version: str, metadata: str = "", installer: str = "pip"
    ) -> Path:
        """Put a Python package's metadata into an environment; returns the folder of its packages."""
        site = self.site(prefix)
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}\n\n"
        )
        (info / "INSTALLER").write_text(f"{installer}\n")
        return site


def names(found: Envs) -> list[str]:
    """Return the names of what was found."""
    return [env.name for env in found.envs]
