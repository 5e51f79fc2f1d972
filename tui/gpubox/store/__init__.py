"""What is kept on this machine's disk: the history of every box, and small things remembered of it."""
