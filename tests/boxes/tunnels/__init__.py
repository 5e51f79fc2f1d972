"""Tests of gpubox.boxes.tunnels."""
