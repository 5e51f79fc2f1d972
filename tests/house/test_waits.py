"""Tests wait for conditions: a sleep of a fixed time says on its line why time itself is its subject."""

import ast
from collections.abc import Iterator

from tests.house import tree

WAITS = ("sleep", "pause")
"""`asyncio.sleep`, `time.sleep` and the pilot's `pause`."""


def is_poll(loop: ast.AST) -> bool:
    """Whether a loop goes on until something holds, so that a sleep in it is only its pace."""
    match loop:
        case ast.While(test=ast.Constant()):
            return any(isinstance(node, ast.Return | ast.Break) for node in ast.walk(loop))
        case ast.While():
            return True
        case _:
            return False


def fixed(node: ast.AST, *, polls: bool = False) -> Iterator[int]:
    """Lines below a node on which a fixed time above zero is slept outside the loops that poll."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=[ast.Constant(value=time)]):
                if name in WAITS and time and not polls:
                    yield child.lineno
            case _:
                pass
        loops = isinstance(child, ast.While | ast.For | ast.AsyncFor)
        defines = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from fixed(child, polls=is_poll(child) if loops else polls and not defines)


def silent(text: str) -> list[int]:
    """Lines of a program that sleep a fixed time and say nothing of it."""
    lines = text.splitlines()
    return [line for line in fixed(ast.parse(text)) if "#" not in lines[line - 1]]


def test_no_test_waits_for_a_fixed_time_without_a_reason() -> None:
    tests = [path for path in tree.sources() if path.is_relative_to(tree.ROOT / "tests")]
    assert len(tests) > 100
    assert [f"{tree.name(path)}:{line}" for path in tests for line in silent(path.read_text())] == []


def test_only_sleeps_outside_loops_that_poll_are_found() -> None:
    program = (
        "sleep(0)\n"
        "time.sleep(1)\n"
        "await pilot.pause(0.5)  # a second of the screen\n"
        "while not there(): sleep(1)\n"
        "while True:\n"
        "    if there(): break\n"
        "    sleep(1)\n"
        "while True:\n"
        "    sleep(1)\n"
        "while not there():\n"
        "    for _ in range(3): sleep(1)\n"
        "    def later(): sleep(1)\n"
        "PROGRAM = 'sleep(1)'\n"
    )
    assert silent(program) == [2, 9, 11, 12]
