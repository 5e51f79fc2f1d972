"""Tests of gpubox.rfb."""
