"""Parses an sshd_config as far as one user needs it; what depends on a Match stays undecided."""

from __future__ import annotations

from dataclasses import dataclass, field

from gpubox.core.bounds import whole

END = "#gpubox end"
"""Marks the end of an included file: a Match does not extend beyond it."""


@dataclass(frozen=True, slots=True)
class Config:
    """Keywords in lower case with their arguments; the first one wins, one in `Match all` over all."""

    values: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    open: set[str] = field(default_factory=set[str])
    """Keywords that some Match sets; whether it applies to us is unknown."""

    def words(self, keyword: str) -> tuple[str, ...]:
        """Return the arguments of a keyword; empty when it is unset or unknown."""
        return () if keyword in self.open else self.values.get(keyword, ())

    def flag(self, keyword: str, *, default: bool) -> bool | None:
        """Return a yes or no, or None when unknown."""
        if keyword in self.open:
            return None
        words = self.values.get(keyword)
        return default if not words else words[0].lower() == "yes"

    def side(self, keyword: str, side: str) -> bool | None:
        """Return whether a keyword of yes, no, local, remote or all allows a side; it does by default."""
        if keyword in self.open:
            return None
        return self.values.get(keyword, ("yes",))[0].lower() in ("yes", "all", side)

    def number(self, keyword: str, *, default: int) -> int | None:
        """Return a number, or None when unknown."""
        words = self.values.get(keyword, (str(default),))
        return whole(words[0]) if keyword not in self.open else None


def parse(text: str) -> Config:
    """Parse the lines of a configuration, with included files in place."""
    config = Config()
    general: dict[str, tuple[str, ...]] = {}
    matching = everyone = False
    for raw in text.splitlines():
        line = raw.strip()
        if line == END:
            matching = everyone = False
        if not line or line.startswith("#"):
            continue
        keyword, *words = line.replace("=", " ", 1).replace('"', " ").split()
        keyword = keyword.lower()
        if keyword == "match":
            everyone = [word.lower() for word in words] == ["all"]
            matching = not everyone
        elif matching:
            config.open.add(keyword)
        elif words:
            (config.values if everyone else general).setdefault(keyword, tuple(words))
    config.values.update(
        {keyword: words for keyword, words in general.items() if keyword not in config.values}
    )
    return config
