"""Tests of gpubox.boxes.replay."""
