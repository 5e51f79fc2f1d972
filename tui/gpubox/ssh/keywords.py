"""What happens to every keyword of ssh_config(5): honored, without effect here, or refused by name.

The names are those of the manual page and of `ssh -G`, OpenSSH 9.2 to 10.0, in lower case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from gpubox.core.errors import ConfigError
from gpubox.core.sanitize import clean


class KeywordUse(Enum):
    """How a keyword is treated."""

    HONORED = "honored"
    """It has the effect that it has in ssh."""
    HARMLESS = "harmless"
    """It has no effect here, and changes neither which machine is reached nor what is trusted."""
    REFUSED = "refused"
    """A value that differs from ssh's default is an error that names it: to ignore it would be unsafe."""


_HONORED = """
    host match include ignoreunknown tag
    hostname user port addressfamily bindaddress bindinterface connecttimeout proxyjump proxycommand
    canonicaldomains canonicalizefallbacklocal canonicalizehostname canonicalizemaxdots
    canonicalizepermittedcnames
    stricthostkeychecking userknownhostsfile globalknownhostsfile revokedhostkeys hashknownhosts hostkeyalias
    hostkeyalgorithms casignaturealgorithms requiredrsasize ciphers macs kexalgorithms rekeylimit
    identityfile identitiesonly identityagent certificatefile pubkeyacceptedalgorithms
    preferredauthentications pubkeyauthentication passwordauthentication kbdinteractiveauthentication
"""
"""`ssh -G` itself decides about the first and the third line."""

_REFUSED = "knownhostscommand proxyusefdpass refuseconnection"

_HARMLESS: Mapping[str, str] = {
    "what is trusted is no more than ssh trusts: a key that only this vouches for is asked about": """
        verifyhostkeydns nohostauthenticationforlocalhost updatehostkeys checkhostip""",
    "a way to log in that is not offered; the others are tried": """
        gssapiauthentication gssapiclientidentity gssapidelegatecredentials gssapikexalgorithms
        gssapikeyexchange gssapirenewalforcesrekey gssapiserveridentity gssapitrustdns
        hostbasedauthentication hostbasedacceptedalgorithms enablesshkeysign kbdinteractivedevices
        pkcs11provider securitykeyprovider addkeystoagent""",
    "the connection is made, watched and made again by this program's own settings": """
        connectionattempts serveralivecountmax serveraliveinterval tcpkeepalive numberofpasswordprompts
        batchmode compression ipqos obscurekeystroketiming channeltimeout versionaddendum warnweakcrypto
        controlmaster controlpath controlpersist""",
    "commands, terminals and what they are given are this program's own": """
        remotecommand requesttty sessiontype stdinnull forkafterauthentication escapechar
        enableescapecommandline localcommand permitlocalcommand sendenv setenv""",
    "forwards are those that were asked for here": """
        localforward remoteforward dynamicforward clearallforwardings exitonforwardfailure gatewayports
        permitremoteopen streamlocalbindmask streamlocalbindunlink tunnel tunneldevice forwardagent
        forwardx11 forwardx11timeout forwardx11trusted xauthlocation""",
    "it changes only what ssh prints": "fingerprinthash visualhostkey loglevel logverbose syslogfacility",
}
"""Why they are harmless, to the keywords."""

TABLE: Mapping[str, KeywordUse] = {
    **dict.fromkeys(_HONORED.split(), KeywordUse.HONORED),
    **dict.fromkeys(_REFUSED.split(), KeywordUse.REFUSED),
    **{keyword: KeywordUse.HARMLESS for keywords in _HARMLESS.values() for keyword in keywords.split()},
}
"""The treatment of every keyword."""

NEED_SSH = frozenset(_REFUSED.split()) | {
    "addressfamily",
    "bindinterface",
    "canonicalizehostname",
    "pubkeyacceptedalgorithms",
    "requiredrsasize",
    "revokedhostkeys",
}
"""Keywords that only `ssh -G` knows the value of: asyncssh's parser passes them over."""

_NAMES = {
    "knownhostscommand": "KnownHostsCommand",
    "proxyusefdpass": "ProxyUseFdpass",
    "refuseconnection": "RefuseConnection",
}
_OFF = ("", "no", "none")


def refuse(host: str, table: Mapping[str, Sequence[str]]) -> None:
    """Raise ConfigError, by name, when a keyword that cannot be honored is set for a host."""
    for keyword, name in _NAMES.items():
        value = next(iter(table.get(keyword, ())), "")
        if value.lower() not in _OFF:
            raise ConfigError(
                f"{name} is not supported",
                f"{clean(host, 80)}: {name} {clean(value, 120)} is set in your ssh configuration",
                f"Set `{name} none` for this host" if keyword == "knownhostscommand"
                else f"Remove {name} for this host",
            )  # fmt: skip
