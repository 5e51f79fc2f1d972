"""Which results bring a fix, and that none of them can lock a user out."""

from __future__ import annotations

import msgspec
import pytest

from gpubox.boxes.checks.check import Facts
from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.checks.link_login import LinkLogin
from gpubox.boxes.checks.login.facts import AuthorizedKey, KeyFile, LoginFacts, PathMode
from gpubox.boxes.checks.sshd.facts import SshdFacts, SshdSetting
from tests.boxes.checks.facts import judge
from tests.boxes.checks.gpu_boxes import gpus, packages, system
from tests.boxes.checks.test_sshd import BOX, box, but

BY_KEY = LinkLogin(True, ("publickey", "password"), "ssh-ed25519", "SHA256:a")
BY_PASSWORD = LinkLogin(True, ("publickey", "password"))
NO_LINK = LinkLogin()
KEYS = LoginFacts(user="ada", keys=(AuthorizedKey("f:1", "ssh-ed25519", 256, "SHA256:a"),))
NO_KEYS = LoginFacts(user="ada")
PASSWORDS = box(passwordauthentication="yes")


def fix(name: str, *facts: Facts) -> Fix | None:
    return judge(name, *facts).fix


def options(name: str, *facts: Facts) -> dict[str, str] | None:
    found = fix(name, *facts)
    return None if found is None or found.sshd is None else dict(found.sshd.options)


def at(facts: SshdFacts, keyword: str, where: str) -> SshdFacts:
    """The same box with the line of a keyword somewhere else."""
    rows = {**facts.settings, keyword: SshdSetting("yes", where, "yes", where)}
    return msgspec.structs.replace(facts, settings=rows)


def test_passwords_are_closed_together_with_what_asks_for_them() -> None:
    assert options("sshd.passwords", PASSWORDS, KEYS, BY_KEY) == {
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
    }
    second = msgspec.structs.replace(PASSWORDS, second_factor="pam_google_authenticator")
    assert options("sshd.passwords", second, KEYS, BY_KEY) == {"PasswordAuthentication": "no"}


@pytest.mark.parametrize(("login", "link"), [(KEYS, BY_PASSWORD), (NO_KEYS, BY_PASSWORD), (NO_KEYS, NO_LINK)])
def test_no_way_in_is_closed_before_a_key_works(login: LoginFacts, link: LinkLogin) -> None:
    assert fix("sshd.passwords", PASSWORDS, login, link) is None
    assert fix("sshd.keyboard-interactive", box(usepam="yes"), login, link) is None
    assert fix("sshd.root-login", box(permitrootlogin="yes"), login, link) is None


def test_a_box_that_needs_no_login_is_judged_by_its_keys() -> None:
    assert fix("sshd.passwords", PASSWORDS, KEYS, NO_LINK) is not None


@pytest.mark.parametrize(
    ("where", "can"),
    [
        ("/etc/ssh/sshd_config:7", True),
        ("/etc/ssh/sshd_config.d/50-cloud-init.conf:1", True),
        ("/etc/ssh/sshd_config.d/00-gpubox.conf:2", True),
        ("/etc/ssh/sshd_config.d/00-admin.conf:1", False),
        ("command line", False),
    ],
)
def test_a_line_that_would_win_over_ours_is_left_to_the_user(where: str, can: bool) -> None:
    found = fix("sshd.passwords", at(BOX, "passwordauthentication", where), KEYS, BY_KEY)
    assert (found is not None) is can


def test_another_ssh_server_is_not_changed() -> None:
    assert fix("sshd.passwords", msgspec.structs.replace(PASSWORDS, server="dropbear"), KEYS, BY_KEY) is None


@pytest.mark.parametrize(
    ("name", "facts", "expected"),
    [
        ("sshd.x11-forwarding", BOX, {"X11Forwarding": "yes"}),
        ("sshd.empty-passwords", box(permitemptypasswords="yes"), {"PermitEmptyPasswords": "no"}),
        ("sshd.max-sessions", box(maxsessions="1"), {"MaxSessions": "10"}),
        ("sshd.max-auth-tries", box(maxauthtries="2"), {"MaxAuthTries": "6"}),
        ("sshd.tcp-forwarding", box(allowtcpforwarding="no"), {"AllowTcpForwarding": "yes"}),
        (
            "sshd.stream-local-forwarding",
            box(allowstreamlocalforwarding="no"),
            {"AllowStreamLocalForwarding": "yes"},
        ),
    ],
)
def test_an_option_that_is_opened_needs_no_key(name: str, facts: SshdFacts, expected: dict[str, str]) -> None:
    assert options(name, facts) == expected


def test_a_match_that_decides_for_this_login_is_left_to_the_user() -> None:
    line = "/etc/ssh/sshd_config:20"
    for name, keyword, value in (
        ("sshd.x11-forwarding", "x11forwarding", "no"),
        ("sshd.max-sessions", "maxsessions", "1"),
        ("sshd.max-auth-tries", "maxauthtries", "2"),
        ("sshd.tcp-forwarding", "allowtcpforwarding", "no"),
        ("sshd.stream-local-forwarding", "allowstreamlocalforwarding", "no"),
    ):
        matched = msgspec.structs.replace(BOX, settings={keyword: SshdSetting(value, line)})
        found = judge(name, matched)
        assert found.fix is None, name
        assert f"{line}, which a Match has for this login" in found.step, name
    both = SshdSetting("no", line, "yes", "/etc/ssh/sshd_config:3")
    others = msgspec.structs.replace(BOX, settings={"passwordauthentication": both})
    assert options("sshd.passwords", others, KEYS, BY_KEY) is not None, "the others still get in"


PQ = ("curve25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com")
CLASSICAL = but(box(kexalgorithms="curve25519-sha256,ecdh-sha2-nistp256"), exchanges=PQ)
DUMPED = but(box(usepam="no"), exact=True, pam=True)


@pytest.mark.parametrize(
    ("name", "facts", "expected"),
    [
        ("sshd.max-startups", but(box(maxstartups="2"), version="10.1"), {"MaxStartups": "10:30:100"}),
        (
            "sshd.max-startups",
            but(box(maxstartups="10:30:5000"), version="10.2"),
            {"MaxStartups": "10:30:100"},
        ),
        ("sshd.max-startups", but(box(maxstartups="2"), version="10.0"), None),  # the last line wins
        ("sshd.max-startups", but(box(maxstartups="2"), version=""), None),
        (
            "sshd.per-source-penalties",
            but(box(persourcepenalties="no"), version="9.8"),
            {"PerSourcePenalties": "yes"},
        ),
        ("sshd.tcp-forwarding", box(disableforwarding="yes"), {"DisableForwarding": "no"}),
        (
            "sshd.tcp-forwarding",
            box(disableforwarding="yes", allowtcpforwarding="no"),
            {"DisableForwarding": "no", "AllowTcpForwarding": "yes"},
        ),
        (
            "sshd.key-exchange",
            CLASSICAL,
            {"KexAlgorithms": ",".join((*PQ[1:], "curve25519-sha256", "ecdh-sha2-nistp256"))},
        ),
        ("sshd.key-exchange", but(CLASSICAL, exchanges=()), None),  # this version may not know them
        ("sshd.key-exchange", but(box(kexalgorithms="-sntrup*"), exchanges=PQ), None),
        ("sshd.key-exchange", but(BOX, version="8.4", exchanges=PQ[:1]), None),
        (
            "sshd.key-exchange",
            but(
                CLASSICAL,
                settings={
                    "kexalgorithms": SshdSetting(
                        "a-b", "/etc/crypto-policies/x:1", "a-b", "/etc/crypto-policies/x:1"
                    )
                },
            ),
            None,
        ),
        ("sshd.use-pam", DUMPED, {"UsePAM": "yes"}),
        (
            "sshd.use-pam",
            but(box(usepam="no", passwordauthentication="no"), exact=True, pam=True),
            {"UsePAM": "yes", "KbdInteractiveAuthentication": "no"},
        ),
        ("sshd.use-pam", but(DUMPED, pam=False), None),  # PAM would refuse everybody
        ("sshd.use-pam", but(DUMPED, exact=False), None),
        ("sshd.use-pam", but(BOX, exact=True, pam=True), None),  # this sshd was built without PAM
    ],
)
def test_an_option_is_set_only_where_this_sshd_takes_it(
    name: str, facts: SshdFacts, expected: dict[str, str] | None
) -> None:
    assert options(name, facts) == expected


def file_of(*paths: PathMode) -> LoginFacts:
    return LoginFacts(user="ada", uid=1000, home="/home/ada", files=(KeyFile(paths[0].path, paths=paths),))


def test_modes_are_repaired_where_modes_alone_are_wrong() -> None:
    keys = PathMode("/home/ada/.ssh/authorized_keys", 0o664, 1000, "ada", regular=True)
    home = PathMode("/home/ada", 0o777, 1000, "ada")
    good = PathMode("/home/ada/.ssh", 0o700, 1000, "ada")
    found = fix("login.permissions", file_of(keys, good, home), BOX)
    assert found is not None
    assert not found.needs_root
    assert {edit.path: edit.mode for edit in found.files} == {keys.path: 0o644, home.path: 0o755}
    assert all(edit.text is None and not edit.remove for edit in found.files)
    foreign = PathMode("/home/ada", 0o755, 1001, "bob")
    assert fix("login.permissions", file_of(keys, good, foreign), BOX) is None


def test_packages_of_the_driver_are_held_by_name() -> None:
    found = fix(
        "gpu.branch",
        gpus("NVIDIA GeForce GTX 1070", flavor="proprietary"),
        packages("nvidia-driver-580 580.95 -> 590.44", automatic=True),
        system(),
    )
    assert found is not None
    assert [command.do for command in found.commands] == [("apt-mark", "hold", "nvidia-driver-580")]
    assert [command.undo for command in found.commands] == [("apt-mark", "unhold", "nvidia-driver-580")]
    hostile = packages("nvidia-driver-580$(reboot) 580.95 -> 590.44", automatic=True)
    cards = gpus("NVIDIA GeForce GTX 1070", flavor="proprietary")
    assert fix("gpu.branch", cards, hostile, system()) is None
    pinned = packages("cuda-drivers 580.95 -> 590.44", automatic=True)
    assert fix("gpu.branch", cards, pinned, system()) is None
