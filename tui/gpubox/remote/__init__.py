"""What runs ON the box: Python 3.8 or newer, standard library only, and pynvml shipped beside it."""
