"""Relayed data below QUIC: the frames, the side that forwards them, the side that uses a relay (ADR 5)."""
