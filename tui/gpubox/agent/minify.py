"""Sources made short for their way to a box."""

from __future__ import annotations

import io
import tokenize
from typing import Literal


def stripped(text: str, interpreter: Literal["python", "sh"] = "python") -> str:
    """Return a source without its comments, and Python without its docstrings; every line keeps its number.

    ast.unparse would make it shorter, but what it writes depends on the Python of the laptop, and Python 3.8
    may not be able to read it.
    """
    lines = text.splitlines()
    if interpreter == "sh":
        return "\n".join("" if line.lstrip().startswith("#") else line for line in lines).strip() + "\n"
    _strip(lines, text)
    return "\n".join(lines) + "\n"


def _strip(lines: list[str], text: str) -> None:
    """Take comments, and statements that are a text alone, out of the lines of a Python source.

    Token by token: the trees of ast take twice as long and 20 MiB, part of which the program then keeps.
    """
    begins, alone = True, None
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        match token.type:
            case tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column].rstrip()
            case tokenize.NL | tokenize.INDENT | tokenize.DEDENT:
                pass
            case tokenize.NEWLINE:
                if alone is not None:
                    (row, column), last = alone, token.start[0]
                    lines[row - 1 : last] = [" " * column + '""', *[""] * (last - row)]
                begins, alone = True, None
            case tokenize.STRING if begins:
                begins, alone = False, token.start
            case tokenize.STRING:
                pass
            case _:
                begins, alone = False, None
