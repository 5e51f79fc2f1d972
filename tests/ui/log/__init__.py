"""Tests of gpubox.ui.log."""
