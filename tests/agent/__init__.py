"""Tests of gpubox.agent."""
