"""The lines of our file among the drop-ins of sshd, and of the main file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.remote.fixes import changes, drop_in

HEADER = drop_in.HEADER + "\n"


@pytest.mark.parametrize(
    ("text", "options", "new"),
    [
        (None, {"UsePAM": "yes"}, HEADER + "UsePAM yes\n"),
        ("", {"UsePAM": "yes"}, "UsePAM yes\n"),
        ("# mine\nusepam  no # why\nPort 5", {"UsePAM": "yes"}, "# mine\nUsePAM yes\nPort 5\n"),
        ("UsePAM=no\nUsePAM no\n", {"UsePAM": "yes"}, "UsePAM yes\nUsePAM no\n"),
        ("  UsePAM  yes", {"UsePAM": "yes"}, "  UsePAM  yes"),
        ("DSAAuthentication yes\n", {"PubkeyAuthentication": "no"}, "PubkeyAuthentication no\n"),
        ("Match user a\nUsePAM no", {"UsePAM": "yes"}, "UsePAM yes\nMatch user a\nUsePAM no\n"),
        ("#UsePAM no\n", {"UsePAM": "yes", "Port": "5"}, "#UsePAM no\nUsePAM yes\nPort 5\n"),
        ("a\r\n\x0cb\n", {"Port": "5"}, "a\r\n\x0cb\nPort 5\n"),
    ],
)  # fmt: skip
def test_options_are_set_in_place_or_before_the_first_match(
    text: str | None, options: dict[str, str], new: str
) -> None:
    assert drop_in.with_options(text, options)[0] == new


LINES = st.one_of(
    st.sampled_from(
        ("UsePAM no", "usepam yes", "Port 1", "Match all", "# UsePAM no", "", "X11Forwarding\tno")
    ),
    st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\n"), max_size=8),
)
OPTIONS = st.dictionaries(
    st.sampled_from(("UsePAM", "Port", "X11Forwarding")), st.sampled_from(("yes", "no", "1")), min_size=1
)


@given(lines=st.lists(LINES, max_size=5), newline=st.booleans(), options=OPTIONS)
def test_what_is_set_is_taken_out_again(lines: list[str], newline: bool, options: dict[str, str]) -> None:
    text = "\n".join(lines) + ("\n" if newline else "")
    new, changed = drop_in.with_options(text, options)
    back, left = drop_in.without_options(new, changed)
    assert left == []
    assert drop_in.same_lines(back, text)
    assert drop_in.without_options(back, changed) == (back, [])


def test_a_line_that_others_changed_stays_unless_forced() -> None:
    new, changed = drop_in.with_options("UsePAM no\n", {"UsePAM": "yes", "Port": "5"})
    theirs = new.replace("UsePAM yes", "UsePAM no # theirs") + "Port 6\n"
    assert drop_in.without_options(theirs, changed) == ("UsePAM no # theirs\nPort 6\n", ["usepam"])
    assert drop_in.without_options(theirs, changed, force=True) == ("UsePAM no\nPort 6\n", [])
    assert drop_in.without_options("Port 5\n", changed) == ("", ["usepam"])
    assert drop_in.without_options("Port 5\n", changed, force=True) == ("UsePAM no\n", [])


@pytest.mark.parametrize(
    ("main", "included"),
    [
        ("Include DIR/*.conf\n", True), ("include DIR/*.conf", True), ("INCLUDE=DIR/0*.conf\n", True),
        ('Include "DIR/*.conf" # all\n', True), ("Include /none DIR/00-gpubox.conf\n", True),
        ("Port 1\n  Include DIR/[0-4]?-*\n", True), ("Match all\nInclude DIR/*.conf\n", True),
        ("#Include DIR/*.conf\n", False), ("Include DIR/50*.conf\n", False), ("Include DIR\n", False),
        ("Match User x\nInclude DIR/*.conf\n", False), ("Include *.conf\n", False), ("", False),
        ("Include DIR/../*.conf\n", False), ("Included DIR/*.conf\n", False),
    ],
)  # fmt: skip
def test_an_include_is_found_where_sshd_finds_it(tmp_path: Path, main: str, included: bool) -> None:
    config = tmp_path / "sshd_config"
    config.write_text(main.replace("DIR", f"{tmp_path}/sshd_config.d"))
    assert changes.included(str(config)) is included


def test_the_usual_folder_is_included_by_a_relative_name() -> None:
    assert drop_in.place("/etc/ssh/sshd_config") == "/etc/ssh/sshd_config.d/00-gpubox.conf"
    assert drop_in.covers("/etc/ssh/sshd_config.d/*.conf", "/etc/ssh/sshd_config.d/00-gpubox.conf")
    assert not drop_in.covers("/etc/ssh/*", "/etc/ssh/sshd_config.d/00-gpubox.conf")


def test_an_include_is_put_first_and_taken_out_wherever_it_is() -> None:
    line = "Include /a/sshd_config.d/*.conf\n"
    assert drop_in.with_include("Port 1", "/a/sshd_config") == line + "Port 1"
    assert drop_in.without_include("Port 2\n" + line + "x", "/a/sshd_config") == ("Port 2\nx", True)
    assert drop_in.without_include("Port 2\n", "/a/sshd_config") == ("Port 2\n", False)
    assert drop_in.include_line("/a b/sshd_config") == 'Include "/a b/sshd_config.d/*.conf"'
