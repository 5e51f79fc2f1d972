"""Tests of gpubox.ui.draw."""
