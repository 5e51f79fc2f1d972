"""Tests of gpubox.store.recording."""
