"""Tests of gpubox.boxes.jobs.backends.slurm."""
