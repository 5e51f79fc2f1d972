"""One table of rules, a file a subject, and what judges a record by it; each finding is worth saying."""
