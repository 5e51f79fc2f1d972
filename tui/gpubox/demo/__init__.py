"""A box to try: a real ssh server on loopback inside this program, with simulated GPUs."""
