"""Measurements: each asks, and gives what it saw as data of `observations`."""
