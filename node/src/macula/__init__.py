"""A peer-to-peer mesh node over QUIC."""

__version__ = "0.1.0"
