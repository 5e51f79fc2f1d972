"""Jobs of a box: launched, followed, compared; by our own supervisor or a queue of the box."""
