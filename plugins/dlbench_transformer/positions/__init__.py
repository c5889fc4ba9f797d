"""Positional encodings. Those that are added to the embeddings have one interface, see `unordered.py`."""
