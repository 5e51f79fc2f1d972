"""The jobs program: starts jobs that outlive the login, queues them for GPUs, and keeps their records."""
