"""The alerts of a box: judges its samples, announces what is raised, and remembers what was seen."""
