"""Tests of gpubox.boxes.x11."""
