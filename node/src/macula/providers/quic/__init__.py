"""QUIC: a sans-IO endpoint over aioquic's connections, and a thin driver that gives it a UDP socket."""

from macula.providers.quic.endpoint import Endpoint
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.transport import QuicTransport

__all__ = ["Endpoint", "QuicSettings", "QuicTransport"]
