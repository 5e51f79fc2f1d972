"""Tests of gpubox.store."""
