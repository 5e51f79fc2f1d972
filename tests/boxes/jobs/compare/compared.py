"""Records to compare: a run on a GPU, the same on the CPU, and how such runs go wrong."""

from msgspec.structs import replace

from gpubox.core.job import GpuRequest, JobSpec
from gpubox.core.record import Ending, GpuUse, Record, Tick, Usage

GIB = 1024**3
GPU = GpuUse(
    "GPU-1", 0, "NVIDIA H200", memory_total=141 * GIB, peak_memory=9 * GIB, mean_util=61.0, busy_util=88.0,
    max_temperature=52.0, mean_power=310.0, max_power=540.0, energy=1860.0, energy_by="counter",
    mean_clock=1845.0, used=True,
)  # fmt: skip


def run(
    env: str, real: float = 6.0, *, at: float = 0.0, gpus: tuple[GpuUse, ...] = (), **more: object
) -> Record:
    """A run of one command in an environment, that ended well."""
    spec = JobSpec(
        id=f"20261123-1200{int(at):02d}-{env}",
        argv=("python", "paint.py"),
        line="python paint.py",
        name="paint",
        prefix=f"/envs/{env}",
        env=env,
        gpus=GpuRequest(mode="count") if gpus else GpuRequest(mode="none"),
    )
    record = Record(
        id=spec.id, state="ended", spec=spec, submitted=at, started=at, ended=at + real,
        ending=Ending("exit", code=0),
        usage=Usage(real=real, user=2 * real, sys=0.5, max_rss=3 * GIB, peak_tree=4 * GIB),
        gpus=gpus, host="xub", user="ada",
    )  # fmt: skip
    return replace(record, **more)


def on_gpu(real: float = 6.0, **more: object) -> Record:
    """A run that used the GPU."""
    return run("tf-gpu", real, gpus=(GPU,), **more)  # pyright: ignore[reportArgumentType]


def on_cpu(real: float = 85.2, **more: object) -> Record:
    """A run without a GPU."""
    return run("tf-cpu", real, **more)  # pyright: ignore[reportArgumentType]


def aborted(record: Record) -> Record:
    """The same run, ended by SIGABRT."""
    return replace(record, ending=Ending("signal", signal="ABRT", core=True))


def seconds(count: int, util: float = 50.0) -> tuple[Tick, ...]:
    """Seconds of a job without a GPU."""
    return tuple(Tick(t=float(t), cpu=util, rss=GIB) for t in range(count))
