"""Instruments that know neither models nor tasks: clocks, memory, FLOPs, energy, the fingerprint of the machine."""
