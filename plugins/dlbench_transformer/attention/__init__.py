"""Forms of attention. They have one interface, see `full.py`."""
