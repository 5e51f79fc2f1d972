"""What people write for a job: never run as anything else than they wrote."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gpubox.boxes.jobs import wishes
from gpubox.core.errors import ConfigError
from gpubox.core.job import GpuWish
from gpubox.core.record import GpuPlace
from tests.hang import LIMIT

PLACES = (
    GpuPlace("GPU-aaaa1111", 0),
    GpuPlace("GPU-aabb2222", 1),
    GpuPlace("MIG-cccc3333", 2),
)
SHOW = "import json,sys;print(json.dumps(sys.argv[1:]))"
LINES = st.text(st.sampled_from("ab .,:=-+'\"\t\r\n$~*[#;|&<>(){}\\!`%^@é"), max_size=14)


def by_sh(line: str) -> list[str] | None:
    """The words that sh makes of a line, by running it; None for a line that it does not run."""
    show = shlex.join([sys.executable, "-I", "-S", "-c", SHOW])
    done = subprocess.run(
        ["/bin/sh", "-c", f"{show} {line}"], capture_output=True, timeout=LIMIT, check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None


@settings(max_examples=120, deadline=None)
@given(LINES)
@example("""it\"'s\" $HOME \"it's\"""")
@example("a\rb")
@example("'' \"\"")
def test_plain_words_are_what_a_shell_makes_of_them(line: str) -> None:
    try:
        argv = wishes.argv_of(f"program {line}")
    except ConfigError:
        assert by_sh(line) is None or "`" in line or "$(" in line  # quotes in there are another shell's
        return
    if argv[:2] != ("/bin/sh", "-c"):
        assert list(argv) == ["program", *(by_sh(line) or [])]
    else:
        assert argv[2] == f"program {line}"


@given(st.lists(st.text(min_size=1).filter(lambda word: "\0" not in word), min_size=1, max_size=5))
def test_quoted_words_are_never_split_or_changed(words: list[str]) -> None:
    line = shlex.join(["python", *words])
    argv = wishes.argv_of(line)
    found = shlex.split(argv[2]) if argv[:2] == ("/bin/sh", "-c") else list(argv)
    assert found == ["python", *words]


@pytest.mark.parametrize(
    "line",
    ["cd /data && train", "A=1 train", "echo \"it's\" $HOME \"it's\"", "train > log", "ls *.py", "exit 3",
     ". env.sh", "for", "sleep 1 # a while", "a\nb", "x `y`", "train # don't", "cat <<X\nit's\nX", "a \\",
     '"$HOME"/bin', "~/train"],
)  # fmt: skip
def test_what_only_a_shell_understands_goes_to_one(line: str) -> None:
    assert wishes.argv_of(line) == ("/bin/sh", "-c", line)


@pytest.mark.parametrize(
    "line", ["", "  ", "\t\n", "'' x", "a\0b", "echo 'open", "train > 'log", 'echo "open']
)
def test_a_line_without_a_command_is_refused(line: str) -> None:
    with pytest.raises(ConfigError):
        wishes.argv_of(line)


def test_ids_sort_by_time_and_differ() -> None:
    assert wishes.new_id(1_000.0) < wishes.new_id(2_000.0)
    assert len({wishes.new_id(1.0) for _ in range(200)}) == 200


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("2", GpuWish(count=2)),
        ("none", GpuWish("none")),
        ("000", GpuWish("none")),
        ("any", GpuWish("any")),
        ("#1", GpuWish("chosen", 1, ("GPU-aabb2222",))),
        ("0,1,0", GpuWish("chosen", 2, ("GPU-aaaa1111", "GPU-aabb2222"))),
        ("gpu-aab", GpuWish("chosen", 1, ("GPU-aabb2222",))),
        ("ALL", GpuWish("chosen", 3, tuple(place.uuid for place in PLACES))),
    ],
)
def test_gpus_are_understood(text: str, wish: GpuWish) -> None:
    assert wishes.gpu_wish(text, PLACES) == wish


@pytest.mark.parametrize("text", ["4", "99999", "#3", "GPU-aa", "gpu-zzzz", "", ",", "-1", "²", "#", "1 2"])
def test_gpus_that_are_not_there_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        wishes.gpu_wish(text, PLACES)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("10m", 600),
        ("2h30m", 9000),
        ("1d", 86_400),
        ("1:30", 90),
        ("1:30:00", 5400),
        ("1.5s", 1.5),
    ],
)
def test_durations_are_understood(text: str, seconds: float) -> None:
    assert wishes.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "1y", "m", "1e5", "9" * 400, "9" * 5000 + ":00", "nan"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        wishes.duration(text)


@given(st.text(max_size=40))
def test_nothing_that_is_written_raises_anything_else(text: str) -> None:
    for read in (wishes.argv_of, wishes.gpu_wish, wishes.duration, wishes.variable):
        with suppress(ConfigError):
            assert read(text) is not None


def test_secrets_are_hidden_by_name_or_value() -> None:
    given = {
        "HF_TOKEN": "x",
        "A": "1",
        "DATABASE_URL": "postgres://ada:s3@db/x",
        "HOST": "http://[::1]:80/a@b",
    }
    assert wishes.hidden(given) == ("HF_TOKEN", "DATABASE_URL")


def test_a_variable_keeps_its_value_to_the_letter() -> None:
    assert wishes.variable("A= b=c ") == ("A", " b=c ")
    for text in ("A", "1A=x", "=x", "A B=x", "A=\0"):
        with pytest.raises(ConfigError):
            wishes.variable(text)


def test_lines_with_a_secret_in_them_are_known() -> None:
    assert wishes.tells_secret("HF_TOKEN=abc train")
    assert wishes.tells_secret("train --api-key abc")
    assert wishes.tells_secret("env PGPASSWORD=x train")
    assert wishes.tells_secret("mlflow ui --backend-store-uri mysql://ada:s3@db/x")
    assert not wishes.tells_secret("python train.py --lr 0.1 key.txt")
