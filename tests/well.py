"""Readings of boxes that are well, from a home machine to a server."""

from __future__ import annotations

from msgspec.structs import replace

from gpubox.core.sample import (
    Driver,
    Gpu,
    Host,
    MigInstance,
    Process,
    Sample,
)
from tests.parts import (
    COST,
    DRIVER,
    GIB,
    MIB,
    NOW,
    TIB,
    fraction,
    gpu_process,
    gtx_1070,
    h100,
    host,
    host_process,
    rtx_4090,
)


def processes() -> tuple[Process, ...]:
    """Four processes on two GPUs, and five of the host."""
    return (
        gpu_process(
            41233,
            0,
            "ada",
            "/home/ada/anaconda3/envs/tf-gpu/bin/python train.py --model resnet50 --batch-size 96",
            gpu_memory=6_912 * MIB,
            sm=93.0,
            env="tf-gpu",
        ),
        gpu_process(
            1904,
            0,
            "root",
            "/usr/lib/xorg/Xorg :0 -auth /run/lightdm/root/:0",
            kind="G",
            gpu_memory=212 * MIB,
            sm=1.0,
            cpu=2.1,
            memory=148 * MIB,
            started=NOW - 12 * 86400,
            state="S",
        ),
        gpu_process(
            52817,
            1,
            "grace",
            "python -m vllm.entrypoints.openai.api_server --model Qwen/Qwen2.5-7B",
            gpu_memory=fraction(13.9),
            sm=66.0,
            cpu=187.0,
            memory=fraction(11.4),
            container="vllm-qwen",
        ),
        gpu_process(
            60411,
            1,
            "ada",
            "jupyter-lab --no-browser --port 8888",
            gpu_memory=840 * MIB,
            sm=None,
            cpu=0.4,
            memory=690 * MIB,
            started=NOW - 3 * 86400,
            state="S",
            env="base",
        ),
        host_process(77120, "ada", "rsync -a --info=progress2 /data/imagenet/ nas:/v1/", 61.0, 44 * MIB),
        host_process(981, "root", "/usr/bin/dockerd -H fd://", 3.2, 131 * MIB),
        host_process(2210, "ada", "xfwm4 --display :0.0", 1.6, 88 * MIB),
        host_process(1322, "zabbix", "/usr/sbin/zabbix_agentd: collector [idle 1 sec]", 0.4, 9 * MIB),
        host_process(1, "root", "/sbin/init splash", 0.0, 13 * MIB),
    )


def training_box(*, simulated: bool = False, at: float = NOW) -> Sample:
    """A GTX 1070 and an RTX 4090 at work; `simulated` marks them as the demo does."""
    return Sample(
        seq=812,
        time=at,
        host=host(),
        driver=replace(DRIVER, simulated=simulated),
        gpus=(gtx_1070(simulated=simulated), rtx_4090(simulated=simulated)),
        processes=processes(),
        probe=COST,
    )


def eight_gpus(count: int = 8, rows: int = 30) -> Sample:
    """A server of H100s with processes of five users."""
    users = ("ada", "grace", "linus", "barbara", "edsger")
    ranks = tuple(
        gpu_process(
            210_000 + 17 * i,
            i % count,
            users[i % 5],
            f"/opt/conda/envs/llm/bin/python -u pretrain.py --rank {i} --config configs/7b.yaml",
            gpu_memory=fraction(2.0 + i),
            sm=float((i * 37) % 100),
            cpu=float((i * 61) % 240),
            memory=fraction(1.0 + i * 0.7),
            started=NOW - 60 - i * 1711,
            env="llm" if i % 2 else None,
            container=None if i % 3 else "pytorch-24.10",
        )
        for i in range(rows)
    )
    cores = tuple(float((i * 29) % 101) for i in range(128))
    return Sample(
        seq=90_211,
        time=NOW,
        host=host(
            hostname="dgx-07",
            cpu=46.0,
            cores=cores,
            load=(61.2, 58.9, 57.0),
            memory_total=2 * TIB,
            memory_available=fraction(1391),
            cpu_model="Intel(R) Xeon(R) Platinum 8480C",
        ),
        driver=DRIVER,
        gpus=tuple(h100(index) for index in range(count)),
        processes=ranks,
        probe=COST,
    )


def mig_slice(uuid: str, profile: str, number: int, used: int, total: int) -> MigInstance:
    return MigInstance(
        uuid=f"MIG-{uuid}",
        name=f"MIG {profile}",
        gpu_instance=number,
        compute_instance=0,
        memory_used=used,
        memory_total=total,
    )


def mig_box() -> Sample:
    """An A100 cut in three."""
    card = h100(
        0,
        name="NVIDIA A100-SXM4-80GB",
        util=None,
        memory_util=None,
        memory_used=fraction(31.4),
        encoder=None,
        decoder=None,
        mig=True,
        mig_instances=(
            mig_slice("0a", "3g.40gb", 1, fraction(27.1), fraction(39.5)),
            mig_slice("0b", "2g.20gb", 5, fraction(4.2), fraction(19.5)),
            mig_slice("0c", "1g.10gb", 9, 13 * MIB, fraction(9.5)),
        ),
        missing={
            "util": "not given while MIG is on",
            "memory_util": "not given while MIG is on",
            "fan": "Not Supported",
            "encoder": "not given while MIG is on",
            "decoder": "not given while MIG is on",
        },
    )
    return replace(
        eight_gpus(1, 0),
        gpus=(card,),
        processes=(
            gpu_process(
                7001,
                0,
                "ada",
                "python finetune.py --lora",
                gpu_memory=fraction(27.0),
                gpu_instance=1,
                sm=None,
            ),
            gpu_process(
                7002, 0, "grace", "python serve.py", gpu_memory=fraction(4.1), gpu_instance=5, sm=None
            ),
        ),
    )


def unified() -> Sample:
    """A GB10: the GPU's memory is the system's own."""
    card = Gpu(
        index=0,
        uuid="GPU-6b10",
        name="NVIDIA GB10",
        bus="0000000F:01:00.0",
        unified=True,
        util=82.0,
        memory_used=fraction(71.9),
        memory_total=fraction(119.6),
        temperature=66.0,
        temperature_slowdown=95.0,
        power=58.0,
        clock_sm=2405,
        clock_sm_max=3003,
        pstate=0,
        throttle=0,
        persistence=True,
        compute_mode="Default",
        missing={
            "fan": "Not Supported",
            "power_limit": "Not Supported",
            "clock_memory": "Not Supported",
            "memory_util": "Not Supported",
            "ecc_corrected": "Not Supported",
        },
    )
    machine = host(
        hostname="spark-1",
        machine="aarch64",
        cpu_model="Cortex-X925",
        memory_total=fraction(119.6),
        memory_available=fraction(47.7),
        distribution="Ubuntu 24.04.2 LTS",
        kernel="6.11.0-1016-nvidia",
    )
    run = gpu_process(
        3310, 0, "ada", "ollama runner --model gpt-oss:120b", gpu_memory=fraction(63.0), sm=80.0
    )
    return replace(training_box(), gpus=(card,), host=machine, processes=(run,))


def sparse() -> Sample:
    """A GT 710 on an old driver, read by the plain shell probe: nearly nothing is known."""
    unknown: dict[str, str] = dict.fromkeys(
        (
            "util",
            "memory_util",
            "temperature_slowdown",
            "power",
            "power_limit",
            "clock_sm",
            "clock_sm_max",
            "clock_memory",
            "clock_memory_max",
            "pstate",
            "throttle",
            "pcie_gen",
            "pcie_width",
            "encoder",
            "decoder",
            "ecc_corrected",
            "mig",
        ),
        "N/A",
    )
    card = Gpu(
        index=0,
        name="NVIDIA GeForce GT 710",
        memory_used=189 * MIB,
        memory_total=978 * MIB,
        temperature=44.0,
        fan=40.0,
        missing=unknown,
    )
    return Sample(
        time=NOW,
        host=Host(
            hostname="attic",
            load=(0.1, 0.0, 0.0),
            memory_total=4 * GIB,
            memory_available=3 * GIB,
            uptime=4000.0,
        ),
        driver=Driver(source="nvidia-smi", version="470.256.02"),
        gpus=(card,),
        processes=(
            Process(pid=811, gpu=0, name="Xorg"),
            Process(pid=812, user="ada", name="bash", command="-bash"),
        ),
    )
