"""Jobs of a box: launched, followed, compared; by our own supervisor or by Slurm."""
