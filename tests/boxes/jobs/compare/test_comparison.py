"""What is said of two jobs side by side, and what is not."""

import math

import pytest
from msgspec.structs import replace

from gpubox.boxes.jobs.compare.comparison import Figure, compare
from gpubox.boxes.jobs.compare.export import sentence, table, text
from gpubox.core.env import Package
from gpubox.core.record import Ending, Record, Usage
from tests.boxes.jobs.compare.compared import GPU, aborted, on_cpu, on_gpu, run


def figures(records: list[Record], measure: str) -> tuple[Figure, ...]:
    found = {one.name: each for one, each in compare(records).figures}
    return found[measure]


def test_the_faster_of_two_runs_is_named_with_how_many_times() -> None:
    comparison = compare([on_cpu(85.2), on_gpu(6.0)])
    assert [sentence(speed) for speed in comparison.speedups] == ["tf-gpu ran 14.2 x faster than tf-cpu"]
    assert comparison.speedups[0].deviation is None


def test_a_run_that_aborted_has_no_speed_but_an_ending() -> None:
    comparison = compare([on_gpu(6.0), aborted(on_cpu(3.0))])
    assert comparison.speedups == ()
    assert "tf-cpu did not finish: ABRT, core dumped" in comparison.notes
    assert "ABRT, core dumped" in text(comparison)


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (Ending("exit", code=3), "exit 3"),
        (Ending("limit"), "time limit"),
        (Ending("stopped", by="ada@laptop"), "stopped by ada@laptop"),
        (Ending("env", words="no such folder"), "its environment cannot be used: no such folder"),
        (Ending("lost"), "its supervisor was killed"),
    ],
)
def test_every_ending_but_success_leaves_a_run_without_a_speed(ending: Ending, words: str) -> None:
    comparison = compare([on_gpu(), replace(on_cpu(), ending=ending)])
    assert comparison.speedups == ()
    assert f"tf-cpu did not finish: {words}" in comparison.notes


def test_a_run_that_goes_on_is_not_called_failed() -> None:
    going = replace(on_cpu(), state="running", ending=None, usage=None)
    assert "tf-cpu has not ended: still running" in compare([on_gpu(), going]).notes


def test_repeated_runs_give_mean_deviation_and_range() -> None:
    records = [on_gpu(real, at=place) for place, real in enumerate((5.0, 6.0, 7.0))]
    gpu, cpu = figures([*records, on_cpu(60.0)], "real time")
    assert (gpu.mean, gpu.deviation, gpu.low, gpu.high) == (6.0, 1.0, 5.0, 7.0)
    assert (cpu.mean, cpu.deviation) == (60.0, None)
    comparison = compare([*records, on_cpu(58.0, at=1), on_cpu(62.0, at=2)])
    spread = comparison.speedups[0].deviation
    assert spread == pytest.approx(10 * ((1 / 6) ** 2 + (8**0.5 / 60) ** 2) ** 0.5)
    assert sentence(comparison.speedups[0]) == "tf-gpu ran 10.0 ± 1.7 x faster than tf-cpu"


def test_times_that_no_run_takes_give_no_shares_and_no_error() -> None:
    usage = Usage(real=1e-300, user=2.5e11, sys=0.0)
    odd = [replace(on_gpu(at=float(at)), usage=usage) for at in range(3)]
    found = compare([*odd, on_cpu(2.5e11), on_cpu(2.5e11, at=1.0)])
    assert found.speedups == ()
    assert all(math.isfinite(one.mean) for _, each in found.figures for one in each if one.mean is not None)
    assert text(found)


def test_a_difference_within_the_spread_of_the_runs_is_called_so() -> None:
    shaky = [on_gpu(real, at=place) for place, real in enumerate((4.0, 8.0, 6.0))]
    comparison = compare([*shaky, on_cpu(7.0, at=1), on_cpu(8.0, at=2)])
    assert sentence(comparison.speedups[0]).endswith(
        "faster than tf-cpu, which is within the spread of their runs"
    )


def test_packages_that_a_framework_hangs_on_come_first() -> None:
    many = [Package(f"a{number}", "1") for number in range(40)]
    gpu = [*many, Package("torch", "2"), Package("nvidia-cudnn-cu13", "9")]
    names = [
        name
        for name, _ in compare([on_gpu(), on_cpu()], {"/envs/tf-gpu": gpu, "/envs/tf-cpu": []}).differences
    ]
    assert names.index("torch") < names.index("nvidia-cudnn-cu13") < names.index("a0")
    assert names[-1] == "and 35 packages more"
    plain = compare([on_gpu(), on_cpu()], {"/envs/tf-gpu": many, "/envs/tf-cpu": []}).differences
    assert plain[-1][0] == "and 10 packages more"


def test_a_failed_run_among_good_ones_is_left_out_and_reported() -> None:
    records = [on_gpu(6.0, at=1), aborted(on_gpu(1.0, at=2)), on_gpu(6.2, at=3)]
    assert figures(records, "real time")[0].values == (6.0, 6.2)
    assert any(note.startswith("1 of 3 runs of") and "ABRT" in note for note in compare(records).notes)


def test_a_slow_first_run_is_reported_and_an_even_series_is_not() -> None:
    slow = [on_gpu(real, at=place) for place, real in enumerate((9.0, 5.0, 5.1, 5.05))]
    even = [on_gpu(real, at=place) for place, real in enumerate((5.2, 5.0, 5.1, 5.05))]
    assert any("the first run took 1.8 x" in note for note in compare(slow).notes)
    assert not any("first run" in note for note in compare(even).notes)
    assert any("first run" in note for note in compare([on_gpu(9.0, at=1), on_gpu(5.0, at=2)]).notes)


def test_a_run_that_stands_out_is_reported() -> None:
    odd = [on_gpu(real, at=place) for place, real in enumerate((5.0, 5.1, 9.0, 5.05))]
    assert any("a run stands out" in note for note in compare(odd).notes)


def test_memory_of_the_largest_process_and_of_all_are_two_rows() -> None:
    rows = {line[:24].strip(): line[24:].split() for line in text(compare([on_gpu(), on_cpu()])).splitlines()}
    assert rows["memory, largest process"] == ["3.0G", "3.0G"]
    assert rows["memory, all processes"] == ["4.0G", "4.0G"]


def test_a_gpu_that_was_never_used_is_reported() -> None:
    idle = replace(on_gpu(), gpus=(replace(GPU, used=False),))
    assert "tf-gpu never used the GPU that it had" in compare([idle, on_cpu()]).notes


def test_strangers_throttling_and_other_cards_make_it_unfair() -> None:
    other = replace(
        GPU, name="NVIDIA A10", shared=("python (pid 8, bob)",), throttled={"power": 32.4, "idle": 0.2}
    )
    comparison = compare([on_gpu(), run("old", 9.0, gpus=(other,))])
    assert "old shared its GPU with python (pid 8, bob)" in comparison.notes
    assert "old was throttled: power for 32 s" in comparison.notes
    assert "They ran on different GPUs: NVIDIA A10 and NVIDIA H200" in comparison.notes


def test_energies_are_set_against_each_other_only_where_both_are_known() -> None:
    hungry = replace(GPU, energy=3720.0)
    comparison = compare([on_gpu(), run("old", 9.0, gpus=(hungry,))])
    assert "tf-gpu took 2.0 x less GPU energy than old" in comparison.notes
    assert not any("energy" in note for note in compare([on_gpu(), on_cpu()]).notes)


def test_what_differs_besides_is_listed() -> None:
    first, second = on_gpu(commit="a" * 40), on_cpu(commit="b" * 40 + "+")
    second = replace(
        second, spec=replace(second.spec, environment={"OMP": "2", "TOKEN": ""}, hidden=("TOKEN",))
    )
    rows = dict(compare([first, second]).differences)
    assert "environment" not in rows  # the columns are headed by it
    assert rows["commit"] == ("aaaaaaaaaaaa", "bbbbbbbbbbbb+")
    assert rows["$OMP"] == ("", "2")
    assert rows["$TOKEN"] == ("", "(hidden)")
    assert "box" not in rows


def test_packages_that_differ_are_listed_when_both_environments_are_known() -> None:
    same = Package("numpy", "2.0")
    packages = {
        "/envs/tf-gpu": [same, Package("tensorflow", "2.15.0", "cuda"), Package("cudnn", "8.9")],
        "/envs/tf-cpu": [same, Package("tensorflow", "2.15.0", "cpu")],
    }
    rows = dict(compare([on_gpu(), on_cpu()], packages).differences)
    assert rows["tensorflow"] == ("2.15.0 cuda", "2.15.0 cpu")
    assert rows["cudnn"] == ("8.9", "")
    assert "numpy" not in rows
    assert "cudnn" not in dict(
        compare([on_gpu(), on_cpu()], {"/envs/tf-gpu": packages["/envs/tf-gpu"]}).differences
    )


def test_a_group_holds_runs_together_whose_commands_differ() -> None:
    first, second = on_gpu(at=1), on_gpu(at=2)
    second = replace(second, spec=replace(second.spec, argv=("python", "paint.py", "--out", "2.png")))
    assert len(compare([first, second]).sides) == 2
    grouped = [replace(one, spec=replace(one.spec, group="g")) for one in (first, second)]
    assert len(compare(grouped).sides) == 1


def test_sides_that_are_alike_in_all_names_are_distinguished() -> None:
    first = on_gpu(at=1)
    second = replace(first, id="other", spec=replace(first.spec, cwd="/elsewhere"))
    labels = [side.label for side in compare([first, second]).sides]
    assert len(set(labels)) == 2


def test_sides_of_one_name_are_distinguished_by_the_end_of_their_ids() -> None:
    first, second = on_gpu(at=1), on_gpu(at=2)
    first = replace(first, id="20261123-143742-nsf6sz")
    second = replace(second, id="20261123-143722-47c2mc", spec=replace(second.spec, cwd="/elsewhere"))
    labels = [side.label for side in compare([first, second]).sides]
    assert labels == ["tf-gpu nsf6sz", "tf-gpu 47c2mc"]


def test_different_commands_are_reported() -> None:
    first = on_gpu()
    second = replace(first, id="other", spec=replace(first.spec, argv=("python", "other.py"), cwd="/x"))
    comparison = "They ran different commands: the times may be those of different work"
    assert comparison in compare([first, second]).notes
    assert comparison not in compare([first, on_cpu()]).notes


def test_different_commands_have_no_headline_and_sides_carry_the_names_of_the_jobs() -> None:
    quick = replace(on_gpu(0.5), gpus=())  # ended before it was noted which GPU it had
    slow = on_gpu(48.5)
    slow = replace(slow, id="slow", spec=replace(slow.spec, argv=("python", "train.py"), name="train"))
    comparison = compare([quick, slow])
    assert [side.label for side in comparison.sides] == ["paint", "train"]
    assert comparison.speedups == ()
    assert not any("different GPUs" in note for note in comparison.notes)


def test_a_gpu_without_a_name_is_not_a_different_one() -> None:
    nameless = run("old", gpus=(replace(GPU, name=""),))
    assert not any("different GPUs" in note for note in compare([on_gpu(), nameless]).notes)


def test_sides_of_one_comparison_are_set_against_each_other_whatever_their_commands() -> None:
    first, second = on_gpu(), on_cpu()
    first = replace(first, spec=replace(first.spec, group="20261123-a-0"))
    other = replace(second.spec, group="20261123-a-1", argv=("python", "paint.py", "--cpu"))
    assert len(compare([first, replace(second, spec=other)]).speedups) == 1


def test_the_last_words_of_a_run_that_failed_are_reported_and_its_figures_doubted() -> None:
    failed = aborted(on_cpu(3.0))
    comparison = compare([on_gpu(6.0), failed], said={failed.id: "needs\u202e AVX512\n"})
    (note,) = comparison.notes
    assert note == "tf-cpu did not finish: ABRT, core dumped; its last words: needs\ufffd AVX512"
    assert dict(table(comparison))["real time"] == ("6.00 s", "(3.00 s)")


def crowded(record: Record, user: float, times: int) -> Record:
    assert record.usage is not None
    return replace(record, usage=replace(record.usage, user=user, sys=0.0, involuntary=times))


def test_runs_that_did_not_have_the_cpus_for_themselves_are_reported() -> None:
    alone, put_aside = crowded(on_gpu(6.0), 10.0, 900), crowded(on_cpu(60.0), 20.0, 2000)
    (note,) = compare([alone, put_aside]).notes
    assert note == (
        "Other processes, or too many threads, competed for the CPUs: tf-cpu was preempted 100 times per "
        "second of CPU time; its time is inflated. In CPU time tf-gpu took 2 x less than tf-cpu"
    )
    both = compare([crowded(on_gpu(6.0), 20.0, 9000), put_aside]).notes[0]
    assert both.endswith("; their times are inflated")
    assert not compare([alone, crowded(on_cpu(60.0), 0.5, 900)]).notes  # too short to tell anything
