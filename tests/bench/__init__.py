"""`make bench`: what the program costs and how fast it is, beside its competitors, in one table."""
