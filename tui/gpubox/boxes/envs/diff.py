"""Compares two environments: which packages only one has, and which differ."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gpubox.core.bounds import Whole
from gpubox.core.env import Package


class PackagePair(msgspec.Struct, frozen=True):
    """A package that both have in different versions or builds."""

    name: str
    a: Package
    b: Package


class Difference(msgspec.Struct, frozen=True):
    """The differences between the packages of two environments."""

    only_a: tuple[Package, ...]
    only_b: tuple[Package, ...]
    differing: tuple[PackagePair, ...]
    """By name; includes those of which only the build differs."""
    equal: Whole
    """How many packages are the same in both."""

    @property
    def none(self) -> bool:
        """Whether nothing differs."""
        return not (self.only_a or self.only_b or self.differing)


def difference(a: Sequence[Package], b: Sequence[Package]) -> Difference:
    """Compare packages by name; see `differ`."""
    left, right = ({one.name: one for one in packages} for packages in (a, b))
    both = sorted(left.keys() & right.keys())
    differing = tuple(
        PackagePair(name, left[name], right[name]) for name in both if differ(left[name], right[name])
    )
    return Difference(
        only_a=tuple(left[name] for name in sorted(left.keys() - right.keys())),
        only_b=tuple(right[name] for name in sorted(right.keys() - left.keys())),
        differing=differing,
        equal=len(both) - len(differing),
    )


def differ(a: Package | None, b: Package | None) -> bool:
    """Return whether a package differs; a build that only one side knows is ignored, as is its source."""
    if a is None or b is None:
        return a is not b
    return a.version != b.version or bool(a.build and b.build and a.build != b.build)
