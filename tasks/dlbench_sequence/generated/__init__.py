"""Sequences made by the tasks themselves, each with a known optimum."""
