"""Checks of CUDA, cuDNN and what frameworks need of them."""
