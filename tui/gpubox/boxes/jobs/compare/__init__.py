"""Compares jobs: which was faster, what each used, and what makes the comparison unfair."""
