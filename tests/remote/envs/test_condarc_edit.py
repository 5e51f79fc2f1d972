"""A setting of a condarc is turned off, and the rest stays byte for byte; any other file is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.remote.envs import condarc, condarc_edit

NAMES = ("auto_activate_base", "auto_activate")
FULL = """# mine
channels:
  - conda-forge   # first
  - defaults

ssl_verify: true
auto_activate_base: {}   # "yes" was: true
envs_dirs: [/data/envs,
  /home/ada/envs]
- odd
"""


@pytest.mark.parametrize("word", ["true", "True", "yes", "on", "1", "'true'", '"true"'])
def test_only_the_word_changes(word: str) -> None:
    assert condarc_edit.off(FULL.format(word), *NAMES) == FULL.format("false")
    ends = FULL.format(word).replace("\n", "\r\n")
    assert condarc_edit.off(ends, *NAMES) == FULL.format("false").replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "auto_activate_base: false\n"),
        ("# none\n", "# none\nauto_activate_base: false\n"),
        ("channels:\n- a", "channels:\n- a\nauto_activate_base: false\n"),
        ("channels: [a]\r\n", "channels: [a]\r\nauto_activate_base: false\r\n"),
        ("auto_activate: true", "auto_activate: false"),
        ("auto_activate_base : true\n", "auto_activate_base : false\n"),
        ("channels_alias: x\nauto_activate_bases: y\n", None),
    ],
)
def test_a_file_without_the_setting_gets_it_at_its_end(before: str, after: str | None) -> None:
    found = condarc_edit.off(before, *NAMES)
    assert found == (after or before + "auto_activate_base: false\n")


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"auto_activate_base": true}', "[a]", "- a\n", "  indented: true\n", "---\na: b\n",
        "a: b\n...\n",
        "auto_activate_base: true\nauto_activate: true\n", "a: b\na: c\n", "auto_activate_base: maybe\n",
        "auto_activate_base:\n  true\n", "auto_activate_base: true\n  more\n", "auto_activate_base:\n",
        "auto_activate_base: true\n- y", "auto_activate_base: true\n\n# c\n  more\n",
        'a: "open\nauto_activate_base: true\n"\n', "a: b\rc: d\n", "a: \x1b\n", "\ufeffa: b\n", "a: \udcff\n",
        "channels: [https://ada:word@x.org/c]\n", "channels: [https://x.org/t/tk-1/c]\n", "my_token: x\n",
        "a: b\n" + "# x\n" * 9000, "? a\n: b\n", "a\n", "&x a: b\n", "'auto_activate_base': true\n",
    ],
)  # fmt: skip
def test_a_file_that_is_not_plain_or_may_hold_a_secret_is_left_alone(text: str) -> None:
    assert condarc_edit.off(text, *NAMES) is None


LINES = st.lists(
    st.sampled_from(
        (
            *(
                "a: b",
                "channels:",
                "  - x",
                "- y",
                "# c",
                "",
                "auto_activate_base: true",
                "auto_activate: on # c",
            ),
            *("é: ü", "\tz: 1", "auto_activate_base:true", "  auto_activate_base: true", "b: |", "   true"),
            *("c: 'it''s'", "x: '"),
        )
    ),
    max_size=8,
)


@given(lines=LINES, end=st.sampled_from(["\n", "\r\n"]), last=st.booleans())
def test_what_is_returned_is_off_and_differs_in_one_line(lines: list[str], end: str, last: bool) -> None:
    text = end.join(lines) + (end if last else "")
    found = condarc_edit.off(text, *NAMES)
    if found is None:
        return
    words = [condarc.word([found], name, "") for name in NAMES]
    assert sorted(words) == ["", "false"]
    before, after = text.split("\n"), found.split("\n")
    if len(before) == len(after) and not found.startswith(text):
        assert sum(one != other for one, other in zip(before, after, strict=True)) == 1
    else:
        assert found.startswith(text)
