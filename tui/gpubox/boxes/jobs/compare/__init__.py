"""Jobs side by side: which was faster, what each took, and what makes the comparison unfair."""
