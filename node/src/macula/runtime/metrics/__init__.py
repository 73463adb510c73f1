"""What a node counts, for Prometheus: counted from telemetry, or read from the node's status when somebody asks."""

from macula.runtime.metrics.metrics import CONTENT_TYPE, Metrics

__all__ = ["CONTENT_TYPE", "Metrics"]
