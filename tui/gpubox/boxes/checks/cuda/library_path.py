"""Whether LD_LIBRARY_PATH leaves the frameworks their own CUDA."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, ok, warning
from gpubox.boxes.checks.cuda.facts import CudaFacts
from gpubox.boxes.checks.envs.facts import EnvsFacts
from gpubox.boxes.checks.gpu.cards import optional
from gpubox.core.sanitize import clean

_UNSET = "Remove it from ~/.bashrc, ~/.profile or /etc/profile.d; set it only for the program that needs it"


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(CudaFacts)
    folders = [folder for folder in facts.library_path if folder.libraries]
    lines = tuple(f"{clean(one.path, 100)}  {clean(', '.join(one.libraries), 80)}" for one in folders[:8])
    stubs = [folder for folder in folders if folder.path.rstrip("/").endswith("/stubs")]
    if stubs:
        return warning(
            f"LD_LIBRARY_PATH has {clean(stubs[0].path, 80)}: an empty stand-in for the driver, with which "
            "programs see no GPU",
            _UNSET,
            value="stubs",
            details=lines,
        )
    if folders:
        names = ", ".join(dict.fromkeys(name for folder in folders for name in folder.libraries))
        envs = optional(gathered, EnvsFacts)
        frameworks = any(
            build.target == "cuda" for env in (envs.envs if envs else ()) for build in env.builds
        )
        make = warning if "libcudnn" in names and frameworks else hint
        return make(
            f"LD_LIBRARY_PATH has {clean(folders[0].path, 80)}, whose {clean(names, 60)} comes before that "
            "of the frameworks",
            _UNSET,
            value="set",
            details=lines,
        )
    gone = [folder.path for folder in facts.library_path if not folder.exists]
    if gone:
        return hint(f"LD_LIBRARY_PATH names {clean(gone[0], 80)}, which does not exist", _UNSET, value="gone")
    whose = "a login" if facts.login_read else "a command over ssh"
    return ok(f"LD_LIBRARY_PATH of {whose} has no CUDA", value="no")


CHECK = Check(
    id="cuda.library-path",
    title="LD_LIBRARY_PATH leaves frameworks their own CUDA",
    why="Old guides put /usr/local/cuda/lib64 into LD_LIBRARY_PATH. It comes before the libraries that "
    "PyTorch, JAX and TensorFlow bring, and so mixes two versions of CUDA and cuDNN: crashes, missing "
    "symbols, wrong versions. JAX's guide says to unset it. To remove it can cost a program of your own "
    "that was compiled without a path to its libraries; set it for that one alone.",
    command="echo $LD_LIBRARY_PATH; grep -rn LD_LIBRARY_PATH ~/.bashrc ~/.profile /etc/profile.d",
    needs=(CudaFacts, EnvsFacts),
    judge=_judge,
    depends_on=("gpu.bus",),
)
