"""The question before an environment is deleted: its name has to be typed."""

from __future__ import annotations

from gpubox.core.env import Env
from gpubox.core.prompts import Question, QuestionKind
from gpubox.core.sanitize import clean


def question(box: str, env: Env) -> Question:
    """Return the question; `confirms` says whether its answer is a yes."""
    packages = f"its {env.packages} packages" if env.packages else "all that is installed in it"
    return Question(
        about=box,
        title=f"Remove {_name(env)}?",
        text=f"{clean(env.prefix, 300)}\n\nThe environment and {packages} are deleted on the box. "
        "Nothing brings them back.",
        kind=QuestionKind.TEXT,
        prompt=f"Type {_name(env)} to remove it:",
        danger=True,
    )


def confirms(env: Env, typed: str | None) -> bool:
    """Return whether the name was typed; characters that cannot be, such as a newline, as displayed."""
    return typed is not None and typed.strip() in (env.name, _name(env).strip())


def _name(env: Env) -> str:
    return clean(env.name, 60)
