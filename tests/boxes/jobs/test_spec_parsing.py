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

from gpubox.boxes.jobs import spec_parsing
from gpubox.core.errors import ConfigError
from gpubox.core.job import GpuRequest
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
        argv = spec_parsing.argv_of(f"program {line}")
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
    argv = spec_parsing.argv_of(line)
    found = shlex.split(argv[2]) if argv[:2] == ("/bin/sh", "-c") else list(argv)
    assert found == ["python", *words]


@pytest.mark.parametrize(
    "line",
    ["cd /data && train", "A=1 train", "echo \"it's\" $HOME \"it's\"", "train > log", "ls *.py", "exit 3",
     ". env.sh", "for", "sleep 1 # a while", "a\nb", "x `y`", "train # don't", "cat <<X\nit's\nX", "a \\",
     '"$HOME"/bin', "~/train"],
)  # fmt: skip
def test_what_only_a_shell_understands_goes_to_one(line: str) -> None:
    assert spec_parsing.argv_of(line) == ("/bin/sh", "-c", line)


@pytest.mark.parametrize(
    "line", ["", "  ", "\t\n", "'' x", "a\0b", "echo 'open", "train > 'log", 'echo "open']
)
def test_a_line_without_a_command_is_refused(line: str) -> None:
    with pytest.raises(ConfigError):
        spec_parsing.argv_of(line)


def test_ids_sort_by_time_and_differ() -> None:
    assert spec_parsing.new_id(1_000.0) < spec_parsing.new_id(2_000.0)
    assert len({spec_parsing.new_id(1.0) for _ in range(200)}) == 200


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("2", GpuRequest(count=2)),
        ("none", GpuRequest("none")),
        ("000", GpuRequest("none")),
        ("any", GpuRequest("any")),
        ("#1", GpuRequest("chosen", 1, ("GPU-aabb2222",))),
        ("0,1,0", GpuRequest("chosen", 2, ("GPU-aaaa1111", "GPU-aabb2222"))),
        ("gpu-aab", GpuRequest("chosen", 1, ("GPU-aabb2222",))),
        ("ALL", GpuRequest("chosen", 3, tuple(place.uuid for place in PLACES))),
    ],
)
def test_gpus_are_understood(text: str, spec: GpuRequest) -> None:
    assert spec_parsing.gpu_request(text, PLACES) == spec


@pytest.mark.parametrize("text", ["4", "99999", "#3", "GPU-aa", "gpu-zzzz", "", ",", "-1", "²", "#", "1 2"])
def test_gpus_that_are_not_there_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        spec_parsing.gpu_request(text, PLACES)


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
    assert spec_parsing.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "1y", "m", "1e5", "9" * 400, "9" * 5000 + ":00", "nan"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        spec_parsing.duration(text)


@given(st.text(max_size=40))
def test_nothing_that_is_written_raises_anything_else(text: str) -> None:
    for read in (
        spec_parsing.argv_of,
        spec_parsing.gpu_request,
        spec_parsing.duration,
        spec_parsing.variable,
    ):
        with suppress(ConfigError):
            assert read(text) is not None


def test_secrets_are_hidden_by_name_or_value() -> None:
    given = {
        "HF_TOKEN": "x",
        "A": "1",
        "DATABASE_URL": "postgres://ada:s3@db/x",
        "HOST": "http://[::1]:80/a@b",
    }
    assert spec_parsing.hidden(given) == ("HF_TOKEN", "DATABASE_URL")


def test_a_variable_keeps_its_value_to_the_letter() -> None:
    assert spec_parsing.variable("A= b=c ") == ("A", " b=c ")
    for text in ("A", "1A=x", "=x", "A B=x", "A=\0"):
        with pytest.raises(ConfigError):
            spec_parsing.variable(text)


def test_lines_with_a_secret_in_them_are_known() -> None:
    assert spec_parsing.tells_secret("HF_TOKEN=abc train")
    assert spec_parsing.tells_secret("train --api-key abc")
    assert spec_parsing.tells_secret("env PGPASSWORD=x train")
    assert spec_parsing.tells_secret("mlflow ui --backend-store-uri mysql://ada:s3@db/x")
    assert not spec_parsing.tells_secret("python train.py --lr 0.1 key.txt")
