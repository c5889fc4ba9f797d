"""The speed and the memory of one model on one task, launch by launch."""
