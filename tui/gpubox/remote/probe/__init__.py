"""The probe: reads a box for as long as somebody listens; see main."""
