"""What can be done with a box, over the Shell protocol."""
