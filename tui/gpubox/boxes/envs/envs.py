"""The environments of one box: found over the open link, one of them chosen, changed by jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec

from gpubox.agent import bundle, program_cache
from gpubox.agent.call import Wording, call
from gpubox.boxes.context import BoxContext, Feature, Purpose
from gpubox.boxes.envs import operations
from gpubox.boxes.envs.selectors import choose, root_for
from gpubox.boxes.envs.validation import harmless
from gpubox.boxes.jobs.spec_builder import with_settings
from gpubox.core.bounds import Whole
from gpubox.core.env import Env, Envs, Kind, Package
from gpubox.core.errors import GpuBoxError, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.job import JobSpec
from gpubox.core.retry import connected
from gpubox.core.sanitize import clean

T = TypeVar("T")
"""An answer of the environments program."""
VENVS = "~/.virtualenvs"
"""Folder of venvs that belong to no project."""
SLOW = "Its disk does not answer"
"""What a scan says of an environment that did not answer in time; see remote/envs/scan.py."""
_PATIENCE = 40.0
_SIZING = 300.0
"""Seconds for measuring an environment: a network disk needs minutes for 100,000 files."""


class _Packages(msgspec.Struct, frozen=True):
    packages: tuple[Package, ...]


class _Size(msgspec.Struct, frozen=True):
    size: Whole


class _Text(msgspec.Struct, frozen=True):
    text: str


class Environments(Feature):
    """The environments of one box, and the one that its shells and jobs run in."""

    def __init__(self, context: BoxContext) -> None:
        super().__init__(context)
        self.feed: Feed[Envs | None] = Feed(None)
        """The result of the newest scan; None before the first."""
        self.chosen: Feed[Env | None] = Feed(None)
        """The one that shells and jobs run in; None for none. It is stored per box."""
        self.trouble: Feed[GpuBoxError | None] = Feed(None)
        """Why the chosen one is no longer used: it is gone, or broken; None when nothing is wrong."""
        self._box = box = context.name
        self._wording = Wording("Environments cannot be read", "an answer about environments", box=box)
        self._shell, self._store, self._sample = context.shell, context.store, context.sample
        self._folders, self._jobs = context.settings.envs.folders, context.settings.jobs
        self._choice = ""
        """Folder of the chosen one; empty for none."""
        self._stored = ""
        """The same, as last read from this machine's disk."""
        self._sizes: dict[str, int] = {}
        """Last measured bytes, by folder."""
        self._renamed: dict[str, str] = {}
        """New folders of environments that are being renamed, by the old ones."""
        self._looking = asyncio.Lock()

    async def background(self, purpose: Purpose) -> None:
        """Restore the chosen environment; see Feature."""
        if purpose is not Purpose.WORK:
            return
        async for sample in self._sample.follow():
            if sample is not None and self._shell.value is not None:
                with suppress(GpuBoxError):  # the panel of environments shows the error
                    await self.restore()
                    return

    async def find(self) -> Envs:
        """Scan for environments. This takes 10 ms on the box, and runs none of their programs.

        Raises RemoteError when the box gives no answer, NoPython, and Dropped while it is not connected.
        """
        async with self._looking:
            found = self._sized(await self._ask("scan", {"folders": self._folders}, Envs))
            self.feed.put(found)
            await self._choose_again(found)
            return found

    async def restore(self) -> Env | None:
        """Return the stored choice; scans the box only if there is one.

        Raises as `find`.
        """
        if self.feed.value is None and await self._remembered():
            await self.find()
        return self.chosen.value

    def named(self, word: str) -> Env:
        """Return the environment that a word selects in the last scan: by folder, name, or a part of one.

        Raises RemoteError with the existing ones when it matches none of them, or several.
        """
        return choose(self.feed.value.envs if self.feed.value else (), word, self._box)

    async def use(self, env: Env | None) -> None:
        """Choose the environment of shells and jobs, and store it; raises RemoteError for a broken one."""
        if env is not None and env.broken:
            raise RemoteError(
                f"{clean(env.name, 60)} is broken", clean(env.broken, 200), "Choose another one, or repair it"
            )
        await self._remember(env.prefix if env is not None else "")
        self.trouble.put(None)
        self.chosen.put(env)

    async def packages(self, env: Env) -> tuple[Package, ...]:
        """Return the packages of an environment, by name; raises as `find`."""
        return (await self._ask("packages", {"prefix": env.prefix}, _Packages)).packages

    async def size(self, env: Env) -> int:
        """Return the bytes on disk as du counts them, and show them in `feed`; raises as `find`."""
        size = (await self._ask("size", {"prefix": env.prefix}, _Size, timeout=_SIZING)).size
        self._sizes[env.prefix] = size
        if self.feed.value is not None:
            self.feed.put(self._sized(self.feed.value))
        return size

    async def exported(self, path: str) -> str:
        """Return a file that an export left in its job's folder; raises as `find`."""
        return (await self._ask("text", {"path": path}, _Text)).text

    async def shell_command(self, command: str | None = None) -> str | None:
        """Return the line that opens a login shell with the chosen environment active; None without one.

        With `command`, the login shell runs that instead. The line is for the channels `terminal` and
        `pipes`, and safe in any login shell. Raises as `find`, and RemoteError when the home of the box is
        not writable.
        """
        env, shell = self.chosen.value, self._shell.value
        if env is None or shell is None:
            return None
        words = ["shell", harmless(env.prefix), env.kind]
        if command is not None:
            words.append(harmless(command))
        await program_cache.ensure(shell, self._program, self._context.python)
        return program_cache.quiet(self._program, words, self._context.python)

    def create(
        self, name: str, packages: Sequence[str], where: str = "", kind: Kind = "conda", tool: str = ""
    ) -> JobSpec:
        """Return the job that creates an environment.

        `where` is an installation for conda, and the parent folder for other kinds; empty takes the first
        installation, or VENVS. Raises ConfigError for invalid names, RemoteError and ToolMissing when there
        is no tool for it.
        """
        folder, found = self._place(where, kind)
        return self._job(operations.create(name, packages, folder, kind, tool or found))

    def create_from(
        self, text: str, name: str, where: str = "", kind: Kind = "conda", tool: str = ""
    ) -> JobSpec:
        """Return the job that creates one from the text of a yml or requirements file; raises as `create`."""
        folder, found = self._place(where, kind)
        return self._job(operations.create_from(text, name, folder, kind, tool or found))

    def clone(self, env: Env, name: str) -> JobSpec:
        """Return the job that copies one beside it; raises as `create`, and RemoteError for a broken one."""
        return self._job(operations.clone(env, name))

    def rename(self, env: Env, name: str) -> JobSpec:
        """Return the job that renames an environment; raises as `clone`, and ConfigError for a base.

        If it is the chosen one, the first scan after the job chooses it under its new name.
        """
        spec = self._job(operations.rename(env, name))
        self._renamed[env.prefix] = operations.beside(env, name)
        return spec

    async def rename_choice(self) -> None:
        """Store the new name of the chosen one after the job of `rename` succeeded; without the box."""
        if new := self._renamed.pop(await self._remembered(), ""):
            await self._remember(new)

    def install(self, env: Env, packages: Sequence[str]) -> JobSpec:
        """Return the job that installs packages; raises as `clone`."""
        return self._job(operations.install(env, packages))

    def export(self, env: Env) -> JobSpec:
        """Return the job that exports an environment to a result file, which `exported` reads."""
        return self._job(operations.export(env))

    def remove(self, env: Env) -> JobSpec:
        """Return the job that deletes an environment, after a question; raises ConfigError for a base."""
        return self._job(operations.remove(env))

    def probe_gpu(self, env: Env) -> JobSpec:
        """Return the job that checks whether an environment sees the GPUs; the next scan has the answer."""
        return self._job(operations.probe_gpu(env))

    @property
    def _program(self) -> bundle.Program:
        return bundle.program("envs", "gpubox.remote.envs.main")

    def _place(self, where: str, kind: Kind) -> tuple[str, str]:
        """Return the parent folder of a new environment, and the tool that creates it."""
        found = self.feed.value or Envs()
        if kind == "conda":
            root = root_for(found.roots, where, self._box)
            return root.envs or f"{root.path}/envs", root.tool
        tool = next((root.tool for root in found.roots if root.flavor == kind), "")
        return where or (VENVS if kind != "pixi" else "~"), tool

    def _job(self, spec: JobSpec) -> JobSpec:
        return with_settings(spec, self._jobs)

    def _sized(self, found: Envs) -> Envs:
        """Add the measured sizes; a scan measures none."""
        sized = (msgspec.structs.replace(one, size=self._sizes.get(one.prefix)) for one in found.envs)
        return msgspec.structs.replace(found, envs=tuple(sized)) if self._sizes else found

    async def _remembered(self) -> str:
        """Return the folder of the chosen one; another window may have changed it."""
        if self._store is not None:
            stored = await self._store.state.chosen_env(self._box)
            if stored != self._stored:
                self._choice = self._stored = stored
        return self._choice

    async def _remember(self, choice: str) -> None:
        if self._store is not None:
            await self._store.state.choose_env(self._box, choice)
            self._stored = await self._store.state.chosen_env(self._box)  # unchanged when the disk is full
        self._choice = choice

    async def _choose_again(self, found: Envs) -> None:
        """Find the chosen one in a new scan, and set `trouble` when it is gone."""
        prefix = await self._remembered()
        if not prefix:
            for feed in (self.trouble, self.chosen):
                if feed.value is not None:
                    feed.put(None)
            return
        known = {one.prefix: one for one in found.envs}
        env = known.get(prefix)
        if env is None and (moved := known.get(self._renamed.get(prefix, ""))) is not None:
            del self._renamed[prefix]
            env = moved
            await self._remember(env.prefix)
        if env is not None and not env.broken:
            if self.trouble.value is not None:
                self.trouble.put(None)
            if env != self.chosen.value:
                self.chosen.put(env)
            return
        if found.partial and (env is None or env.broken == SLOW):
            return
        why = clean(env.broken, 200) if env is not None else f"{clean(prefix, 120)} is not there any more"
        self.trouble.put(RemoteError("The chosen environment cannot be used", why, "Choose another one"))
        if self.chosen.value is not None:
            self.chosen.put(None)

    async def _ask(self, verb: str, asked: object, answer: type[T], *, timeout: float = _PATIENCE) -> T:
        return await call(
            connected(self._shell, self._box), self._program, asked, answer, self._wording, words=(verb,),
            python=self._context.python, timeout=timeout,
        )  # fmt: skip
