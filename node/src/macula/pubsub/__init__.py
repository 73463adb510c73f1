"""Publish and subscribe: one state machine that finds subscribers through the DHT and sends them events in order."""

from macula.pubsub.service import PubSub
from macula.pubsub.settings import PubSubSettings

__all__ = ["PubSub", "PubSubSettings"]
