"""The database on this machine: the history of every box, and small facts about it."""
