"""How many GPUs Slurm's commands name, in the forms that clusters print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.boxes.jobs.backends.slurm import gpus


@pytest.mark.parametrize(
    ("given", "count", "kinds"),
    [
        # GRES of nodes, from gres.conf(5), sinfo(1) and public reports of sites.
        ("gpu:1", 1, ()),
        ("gpu", 1, ()),
        ("gpu:a100:4", 4, ("a100",)),
        ("gpu:tesla:2(S:0-1)", 2, ("tesla",)),
        ("gpu:8(S:0-1)", 8, ()),
        ("gpu:a100:4(S:0-1),gpu:h100:2(IDX:0-1)", 6, ("a100", "h100")),
        ("gpu:a100:3(S:0,2),gpu:a100:1(S:1)", 4, ("a100",)),
        ("gpu:nvidia_a100-sxm4-80gb:8", 8, ("nvidia_a100-sxm4-80gb",)),
        ("gpu:2080ti:4,bandwidth:lustre:no_consume:4G", 4, ("2080ti",)),
        ("gpu:1080:2", 2, ("1080",)),
        ("gpu:1g.5gb:7,gpu:3g.20gb:2", 9, ("1g.5gb", "3g.20gb")),
        ("gpu:v100s-pcie-32gb:2(S:1),nic:mlx5:1", 2, ("v100s-pcie-32gb",)),
        ("gpu:no_consume:4", 4, ()),
        ("craynetwork:4,gpu", 1, ()),
        ("mps:400,gpu:2", 2, ()),
        # GresUsed of nodes.
        ("gpu:0", 0, ()),
        ("gpu:a100:0(IDX:N/A)", 0, ("a100",)),
        ("gpu:a100:2(IDX:0,3)", 2, ("a100",)),
        ("gpu:(null):3(IDX:0-2)", 3, ()),
        ("gpu(IDX:0)", 1, ()),
        # What jobs ask for, and have.
        ("gres:gpu:2", 2, ()),
        ("gres/gpu:2", 2, ()),
        ("gres:gpu:a100:2", 2, ("a100",)),
        ("gres/gpu:tesla_v100:2", 2, ("tesla_v100",)),
        ("gres:gpu", 1, ()),
        ("gres/gpu=3", 3, ()),
        ("cpu=4,mem=16G,node=2,billing=4,gres/gpu=8", 8, ()),
        ("cpu=4,gres/gpu=4,gres/gpu:a100=4", 4, ("a100",)),
        ("cpu=4,gres/gpu:a100=3,gres/gpu=4,gres/gpu:h100=1", 4, ("a100", "h100")),
        ("cpu=4,gres/gpu:a100=2", 2, ("a100",)),
        ("cpu=1,gres/gpumem=40G,gres/gpuutil=50", 0, ()),
        ("gres:shard:4", 0, ()),
        ("shard:4", 0, ()),
        ("(null)", 0, ()),
        ("N/A", 0, ()),
        ("", 0, ()),
    ],
)
def test_gpus_are_counted_in_every_form(given: str, count: int, kinds: tuple[str, ...]) -> None:
    assert gpus.gpus(given) == (count, kinds)


@pytest.mark.parametrize(
    ("cells", "count"),
    [
        (["1", "1", "cpu=1,node=1", "N/A", "N/A", "N/A", "N/A"], 0),
        (["1", "1", "cpu=1,node=1", "gres:gpu:2", "N/A", "N/A", "N/A"], 2),
        (["2", "2", "cpu=1,node=2", "N/A", "gres:gpu:a100:4", "N/A", "N/A"], 8),
        (["1", "6", "cpu=6,node=1", "N/A", "N/A", "gres:gpu:1", "N/A"], 6),
        (["2", "2", "cpu=2,node=2", "N/A", "N/A", "N/A", "gres:gpu:2"], 4),
        (["2", "4", "cpu=4,node=2,gres/gpu=3", "gres:gpu:3", "N/A", "N/A", "N/A"], 3),
    ],
    ids=["none", "--gpus", "--gpus-per-node", "--gpus-per-task", "--gpus-per-socket", "accounted"],
)
def test_the_gpus_of_a_job_are_counted_however_they_were_asked_for(cells: list[str], count: int) -> None:
    assert gpus.job_gpus([["7", *cells]]) == {"7": count}


@given(st.text())
def test_nothing_that_is_printed_breaks_the_counting(some: str) -> None:
    gpus.gpus(some)
    gpus.whole(some)
