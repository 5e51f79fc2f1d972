"""Alerts: findings with a memory, which are raised once, held, and cleared."""
