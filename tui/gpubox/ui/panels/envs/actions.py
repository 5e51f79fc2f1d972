"""Actions on environments: each asks for what it needs and runs as a job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from gpubox.boxes.box import Box
from gpubox.boxes.envs import removal
from gpubox.boxes.envs.envs import Environments
from gpubox.boxes.envs.operations import not_base
from gpubox.boxes.envs.spec_file import read_spec_file
from gpubox.boxes.envs.validation import split_packages
from gpubox.boxes.jobs import completion
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.boxes.jobs.wording import succeeded
from gpubox.core.env import Env
from gpubox.core.errors import Cancelled, ConfigError
from gpubox.core.job import JobSpec
from gpubox.core.prompts import Question, QuestionKind
from gpubox.core.record import Record
from gpubox.core.sanitize import clean
from gpubox.ui.app_access import asker
from gpubox.ui.modal_guard import window
from gpubox.ui.panel import Panel
from gpubox.ui.panels.envs.form import EnvForm, EnvSpec

VERBS = ("install", "remove", "rename", "export", "see", "size")
"""Actions on a single environment."""
ASKING = frozenset({"install", "remove", "rename"})
"""Actions that begin with a question."""


class EnvActions:
    """Asks the questions of an action, launches its job and reports how it ended."""

    def __init__(self, panel: Panel, box: Box, changed: Callable[[], Awaitable[object]]) -> None:
        self.busy: dict[str, str] = {}
        """Actions under way in words, by the id of the job, or by the folder that is counted."""
        self._panel = panel
        self._box = box
        self._envs, self._jobs = box.use(Environments), box.use(Jobs)
        self._changed = changed
        self.verbs: Mapping[str, Callable[[Env], Awaitable[None]]] = dict(
            zip(
                VERBS, (self.install, self.remove, self.rename, self.export, self.see, self.size), strict=True
            )
        )
        """By the names in VERBS."""

    async def follow(self, changed: Callable[[], object]) -> None:
        """Call `changed` after each job that changed environments, of any program."""
        known: set[str] | None = None
        async for records in self._jobs.feed.follow():
            ended = {record.id for record in records if record.spec.changes and record.state == "ended"}
            if known is not None and ended - known:
                changed()
            known = ended if known is not None or records else None

    async def new(self, begin: Env | None) -> None:
        """Ask for a new environment and create it."""
        envs = self._envs.feed.value
        roots = envs.roots if envs is not None else ()
        spec = await window(
            self._panel, EnvForm(self._box.name, roots, begin, lambda spec: self._spec(spec, begin))
        )
        if spec is not None:
            await self._run(await self._spec(spec, begin), f"Create {clean(spec.name, 60)}")

    async def _spec(self, spec: EnvSpec, begin: Env | None) -> JobSpec:
        """Return the job that creates an environment; raises ConfigError for a missing source."""
        envs = self._envs
        if spec.file:
            text = await read_spec_file(spec.file)
            return envs.create_from(text, spec.name, spec.where, spec.kind)
        if spec.clone:
            if begin is not None and spec.clone == begin.name.strip():  # others may have this name too
                return envs.clone(begin, spec.name)
            return envs.clone(envs.named(spec.clone), spec.name)
        return envs.create(spec.name, spec.packages, spec.where, spec.kind)

    async def install(self, env: Env) -> None:
        """Ask for packages and install them."""
        words = await self._ask(
            f"Install into {clean(env.name, 60)}",
            f"{clean(env.prefix)}\n\nPackages as its own tool takes them, with blanks between them.",
            "Packages:",
        )
        await self._run(
            self._envs.install(env, split_packages(words)),
            f"Install {clean(words, 60)} into {clean(env.name, 40)}",
        )

    async def rename(self, env: Env) -> None:
        """Ask for a name and rename it; raises ConfigError for a base."""
        not_base(env, "renamed")
        name = await self._ask(f"Rename {clean(env.name, 60)}", clean(env.prefix), "New name:")
        await self._run(
            self._envs.rename(env, name),
            f"Rename {clean(env.name, 40)} to {clean(name, 40)}",
        )

    async def remove(self, env: Env) -> None:
        """Ask for its name to confirm, then delete it; raises ConfigError for a base."""
        spec = self._envs.remove(env)
        typed = await self._answer(removal.question(self._box.name, env))
        if not removal.confirms(env, typed):
            raise ConfigError("Nothing is removed", f"{clean(typed, 40)} is not {clean(env.name, 60)}")
        await self._run(spec, f"Remove {clean(env.name, 60)}")

    async def export(self, env: Env) -> None:
        """Export it to a file with its own tool, and fetch the file."""

        async def fetched(record: Record) -> str:
            if not succeeded(record):
                return ""
            return f"Its file is in {await self._jobs.fetch(record)} here"

        await self._run(self._envs.export(env), f"Export {clean(env.name, 60)}", fetched)

    async def see(self, env: Env) -> None:
        """Ask its framework whether it sees the GPUs."""

        async def answered(record: Record) -> str:
            found = self._envs.feed.value
            now = next((one for one in found.envs if one.prefix == env.prefix), None) if found else None
            sight = now.sight if now is not None else None
            return sight.answer if sight is not None and sight.job == record.id else ""

        await self._run(self._envs.probe_gpu(env), f"Ask {clean(env.name, 60)} for its GPUs", answered)

    async def size(self, env: Env) -> None:
        """Measure its size on disk."""
        self.busy[env.prefix] = f"Count {clean(env.name, 60)}"
        try:
            await self._envs.size(env)
        finally:
            self.busy.pop(env.prefix, None)

    async def _ask(self, title: str, text: str, prompt: str) -> str:
        """Return what was typed; raises Cancelled."""
        return await self._answer(Question(self._box.name, title, text, QuestionKind.TEXT, prompt))

    async def _answer(self, question: Question) -> str:
        """Return what was typed; raises Cancelled."""
        answer = await asker(self._panel).ask(question)
        if answer is None or not answer.strip():
            raise Cancelled("Nothing was typed")
        return answer.strip()

    async def _run(
        self, spec: JobSpec, what: str, answer: Callable[[Record], Awaitable[str]] | None = None
    ) -> None:
        """Launch a job, wait for its end, and report both.

        `answer` returns the result of the job in words, or "" for none.
        """
        jobs, link = self._jobs, self._box.shell
        record = await completion.launch(jobs, link, spec, now=True)
        self._panel.notify(f"Job {record.id} · j shows it", title=what, markup=False)
        self.busy[record.id] = what
        try:
            async with jobs.watch():
                ended = await completion.wait_watched(jobs.feed, record.id)
        finally:
            self.busy.pop(record.id, None)
        if ended is None:
            return
        await self._changed()
        good = succeeded(ended)
        words = await answer(ended) if answer is not None else ""
        if not words and good and spec.notify and self._panel.settings.jobs.notify:
            return  # the app reports it, as every job
        if not words and not good:
            explanation = await completion.explain(jobs, link, ended)
            words = f"{explanation.words}; its log says more: job {ended.id}"
        severity = "information" if good else "error"
        self._panel.notify(words or "Done", title=what, severity=severity, markup=False)
