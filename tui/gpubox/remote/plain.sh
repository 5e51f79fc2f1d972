# The probe of a box without Python: /proc, nvidia-smi and ps, in blocks that end with a line of one dot.
echo .
