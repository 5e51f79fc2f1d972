"""Panels: one folder a panel, whose `panel.py` owns its keys and actions."""
