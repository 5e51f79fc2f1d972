"""Tests of gpubox.boxes.jobs.compare."""
