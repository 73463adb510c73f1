"""Topologies in containers."""
