"""Whether the frameworks of the environments have code for these cards, and all their libraries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gpubox.boxes.checks.check import Check, Gathered, Outcome, Result, not_here, ok, unknown
from gpubox.boxes.checks.cuda.facts import CudaFacts
from gpubox.boxes.checks.cuda.tables import advice, runs_on
from gpubox.boxes.checks.envs.facts import EnvsFacts
from gpubox.boxes.checks.gpu.cards import GpuCard, cards_of, optional, plural
from gpubox.boxes.checks.gpu.facts import GpuFacts
from gpubox.core.env import Build, Env
from gpubox.core.sanitize import clean

_ORDER = (Outcome.FAILED, Outcome.WARNING, Outcome.HINT)
_X86 = ("", "x86_64")


@dataclass(frozen=True, slots=True)
class _Problem:
    outcome: Outcome
    text: str
    step: str
    useless: bool = False
    """Whether the build runs on no card here."""


def _judge(gathered: Gathered) -> Result:
    gpu, facts = gathered.of(GpuFacts), gathered.of(EnvsFacts)
    found = [(env, build) for env in facts.envs if not env.broken for build in env.builds]
    if not found:
        if facts.partial:
            return unknown(clean(facts.partial, 160), "gpubox-tui env BOX list")
        return not_here("No environment has PyTorch, TensorFlow or JAX")
    cards = cards_of(gpu)
    built = [(env, build) for env, build in found if build.target == "cuda"]
    lines = tuple(_line(env, build) for env, build in found[:12])
    if not built:
        if any(build.target in ("rocm", "unknown") for _, build in found):
            return unknown("The files of the frameworks do not say what they were built for", lines[0])
        return ok(f"{plural(len(found), 'build')}, none of them for CUDA", value="none", details=lines)
    cuda = optional(gathered, CudaFacts)
    x86 = cuda is None or cuda.machine in _X86
    problems = [problem for env, build in built for problem in _problems(env, build, cards, x86=x86)]
    value = f"{len(built) - len(problems)}/{len(built)}" if len(problems) <= len(built) else ""
    if not problems:
        return ok(
            f"{plural(len(built), 'build')} for CUDA, nothing is known against any",
            value=value,
            details=lines,
        )
    problems.sort(key=lambda problem: _ORDER.index(problem.outcome))
    worst = problems[0]
    outcome = Outcome.FAILED if sum(p.useless for p in problems) == len(built) else worst.outcome
    more = f"; {len(problems) - 1} more" if len(problems) > 1 else ""
    details = tuple(problem.text for problem in problems[:10])
    return Result(outcome, f"{worst.text}{more}", worst.step, value, details if len(details) > 1 else lines)


def _problems(env: Env, build: Build, cards: list[GpuCard], *, x86: bool) -> Iterator[_Problem]:
    """Yield what is wrong with one build, at most one; a check that saw the GPU proves it good."""
    if env.sight is not None and env.sight.current and env.sight.sees:
        return
    what = f"{clean(build.framework, 20)} {clean(build.version, 24)} in {clean(env.name, 40)}"
    if build.missing:
        yield _Problem(
            Outcome.WARNING, f"{what}: {clean(build.missing, 120)}", "Install it in that environment"
        )
        return
    answers = [(card, runs_on(build, card.capability, x86=x86)) for card in cards]
    lacking = [card for card, answer in answers if answer == "no"]
    unsure = [card for card, answer in answers if answer == "may not"]
    if lacking and len(lacking) == len(answers):
        yield _Problem(
            Outcome.WARNING,
            f"{what} has no code for {_named(lacking[0])}",
            advice(lacking[0].architecture),
            True,
        )
    elif lacking:
        yield _Problem(
            Outcome.HINT,
            f"{what} has no code for {_named(lacking[0])}, one of {len(cards)} cards",
            advice(lacking[0].architecture),
        )
    elif unsure:
        text = f"{what} may have no code for {_named(unsure[0])}"
        yield _Problem(Outcome.HINT, text, "Try it: gpubox-tui env BOX sees NAME asks the framework itself")


def _named(card: GpuCard) -> str:
    return f"{card.name} ({card.capability})"


def _line(env: Env, build: Build) -> str:
    return (
        f"{clean(env.name, 40)}  {clean(build.framework, 20)} {clean(build.version, 24)}  {build.built_for}"
    )


CHECK = Check(
    id="cuda.frameworks",
    title="The frameworks of the environments have code for the cards",
    why="A build of PyTorch, TensorFlow or JAX has machine code for some compute capabilities. On another "
    "card it fails with `no kernel image is available for execution on the device`. PyTorch for CUDA 12.8 "
    "dropped cards before Volta, that for CUDA 13 all before Turing; older builds know no Blackwell. What "
    "was built is read from the files of each environment; nothing is imported. Our table is of PyTorch's "
    "own wheels.",
    command="python -c 'import torch; print(torch.version.cuda, torch.cuda.get_arch_list())'",
    needs=(GpuFacts, CudaFacts, EnvsFacts),
    judge=_judge,
    depends_on=("gpu.bus",),
)
