"""The probe: samples a box until its reader is gone; see main."""
