"""Jobs that Slurm queues: commands, parsers and the backend."""
