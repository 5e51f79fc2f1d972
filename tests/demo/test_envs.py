"""The environments of the demo box: their frameworks run what ships with the program, and say so."""

import subprocess
import sys
from pathlib import Path

import pytest

from gpubox.boxes.jobs.templates import all_shipped, named
from gpubox.demo import envs


@pytest.mark.parametrize(("name", "device"), [("tf-gpu", "GPU: simulated GPU:0"), ("tf-cpu", "CPU")])
def test_the_style_transfer_runs_in_them_and_is_said_to_be_simulated(
    tmp_path: Path, name: str, device: str
) -> None:
    envs.furnish(tmp_path)
    for file, text in named("style-transfer", all_shipped()).files.items():
        (tmp_path / file).write_text(text)
    done = subprocess.run(
        [
            tmp_path / "miniconda3" / "envs" / name / "bin" / "python",
            "style_transfer.py",
            "--size",
            "200x100",
        ],
        cwd=tmp_path,
        env={"CUDA_VISIBLE_DEVICES": "GPU-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "TensorFlow is simulated: nothing is computed" in done.stdout
    assert f"device       {device}\n" in done.stdout
    assert (tmp_path / "style-transfer.png").read_bytes().startswith(b"\x89PNG")


def test_importing_the_stand_in_as_a_part_of_the_program_changes_nothing() -> None:
    script = "import sys, gpubox.demo.framework; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
