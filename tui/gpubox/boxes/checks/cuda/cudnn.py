"""Whether cuDNN outside of environments is of one piece."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, ok, warning
from gpubox.boxes.checks.cuda.facts import CudaFacts, CudnnCopy
from gpubox.boxes.checks.gpu.branches import PROPRIETARY_ONLY, numbers
from gpubox.boxes.checks.gpu.cards import cards_of, counted, optional
from gpubox.boxes.checks.gpu.facts import GpuFacts
from gpubox.core.sanitize import clean

_LAST_FOR_OLD = (9, 10, 2)
"""The last version for cards before Turing, by three independent signs; NVIDIA's own notes were not read."""


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(CudaFacts)
    headers = _versions(facts.cudnn, "header")
    libraries = _versions(facts.cudnn, "library")
    lines = tuple(f"{clean(copy.path, 110)}  {clean(copy.version, 20)}" for copy in facts.cudnn[:12])
    if not headers and not libraries:
        return ok("The system has none: frameworks bring their own", value="none")
    value = counted(libraries or headers)
    if not libraries:
        return warning(
            f"Headers of cuDNN {counted(headers)} are installed, and no library",
            "Install the library of that version, such as libcudnn9-cuda-12, or remove the headers",
            value=value,
            details=lines,
        )
    apart = [header for header in headers if not any(_same(header, library) for library in libraries)]
    if apart:
        return warning(
            f"The header is cuDNN {apart[0]}, the library is {counted(libraries)}: what is compiled here "
            "fails",
            "Install header and library of one version: libcudnn9-dev-cuda-12 brings both",
            value=value,
            details=lines,
        )
    gpu = optional(gathered, GpuFacts)
    old = [card.name for card in cards_of(gpu) if card.architecture in PROPRIETARY_ONLY] if gpu else []
    if old and all(numbers(library) > _LAST_FOR_OLD for library in libraries):
        return hint(
            f"cuDNN {counted(libraries)} may have no code for {counted(old)}",
            "9.10.2 may be the last for cards before Turing; frameworks in environments bring their own",
            value=value,
            details=lines,
        )
    if len({numbers(library)[:2] for library in libraries}) > 1:
        return hint(
            f"Several versions are installed: {counted(libraries, 4)}",
            "Remove what nothing was compiled for: which one a program gets depends on its paths",
            value=value,
            details=lines,
        )
    return ok(f"cuDNN {counted(libraries)}", value=value, details=lines)


def _versions(copies: tuple[CudnnCopy, ...], kind: str) -> list[str]:
    return list(
        dict.fromkeys(clean(copy.version, 20) for copy in copies if copy.kind == kind and copy.version)
    )


def _same(header: str, library: str) -> bool:
    """Return whether two versions agree, as far as both go: a library may be named by its major only."""
    one, other = numbers(header)[:3], numbers(library)[:3]
    length = min(len(one), len(other))
    return one[:length] == other[:length]


CHECK = Check(
    id="cuda.cudnn",
    title="cuDNN is of one piece",
    why="PyTorch, JAX and TensorFlow bring cuDNN in their environments; a copy in the system matters to "
    "what is compiled here, and to programs that look for it there. A header of another version than the "
    "library leads to crashes that say nothing. Of several copies it is the path of libraries that decides.",
    command="cat /usr/include/cudnn_version.h | grep define; ls -l /usr/lib/*/libcudnn.so.*",
    needs=(CudaFacts, GpuFacts),
    judge=_judge,
    depends_on=("gpu.bus",),
)
