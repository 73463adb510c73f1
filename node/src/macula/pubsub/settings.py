"""Settings of the pub/sub service."""

from __future__ import annotations

from dataclasses import dataclass, fields

from macula.errors import ConfigError


@dataclass(frozen=True, slots=True)
class PubSubSettings:
    """Times are in seconds. Raises ConfigError for a value that is not above zero or contradicts another."""

    directory_refresh: float = 0.75
    """A list of subscribers older than this is asked for again while publishing goes on with the old one."""

    directory_max_age: float = 1.5
    """A publish waits for a new list if the one at hand is older. With `directory_shared_age` it bounds how long a new
    subscription can stay unseen: together below 2 s."""

    directory_shared_age: float = 0.25
    """How old an answer of the DHT's own cache may be; lets topics with a common prefix share lookups."""

    max_topics: int = 1024
    """Topics whose subscribers and event counter a publisher remembers; the least recently used makes room."""

    max_subscribers: int = 1024
    """Subscriber nodes of one topic; what the DHT returns beyond that is left out and traced."""

    max_publishes: int = 4096
    """Publish commands that are not settled; over it a new one is refused with Busy."""

    max_publish_bytes: int = 64 << 20
    """Bytes of their payloads; over it a new one is refused with Busy."""

    max_timeout: float = 3600.0
    """Longest time a publish command may ask for."""

    window: int = 64
    """QoS 1 events of one topic sent to one subscriber node and not acknowledged. More hide a longer round trip, and
    take more of the subscriber's memory when they arrive out of order."""

    queue: int = 256
    """QoS 1 events of one topic waiting for that window; over it the event fails for this subscriber with busy."""

    retry_delay: float = 0.05
    """Wait before what was refused or lost is sent again; doubles each time up to `retry_delay_max`, less a jitter of
    up to half of it."""

    retry_delay_max: float = 0.5
    """Longest such wait."""

    ack_timeout: float = 1.0
    """An event unanswered for so long is sent again, since a routed envelope can be lost without a word; doubles while
    the subscriber stays silent up to `ack_timeout_max`."""

    ack_timeout_max: float = 8.0
    """Longest such wait."""

    reorder_wait: float = 0.2
    """How long events that overtook others are held back for them."""

    reorder_limit: int = 64
    """Events of one publisher and topic held back."""

    unacked_limit: int = 256
    """QoS 1 events of one publisher and topic that came and are not acknowledged, since a subscription is full or has
    not consumed them; over it more are refused. At least the `window` of the publishers."""

    held_bytes: int = 16 << 20
    """Bytes of payload held back over all publishers and topics."""

    event_rate: float = 0.0
    """Events per second of one publisher, two seconds' worth at once; over it QoS 1 is refused and QoS 0 dropped. 0 is
    any number."""

    max_streams: int = 4096
    """Publishers times topics whose sequence a subscriber remembers. The least recently used makes room; repeats of its
    events are then not recognised any more."""

    epoch_settle: float = 3.0
    """Events of an older epoch than the newest are refused until none of the newest came for so long: then the
    publisher has restarted with its clock set back."""

    max_subscriptions: int = 1024
    """Local subscriptions."""

    max_capacity: int = 65536
    """Largest capacity of a subscription, in events."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0 and field.name != "event_rate":
                raise ConfigError(field.name, f"must be above zero, is {getattr(self, field.name)}")
        if self.event_rate < 0:
            raise ConfigError("event_rate", f"must be at least 0, is {self.event_rate}")
        if self.directory_refresh > self.directory_max_age:
            raise ConfigError("directory_refresh", f"must be at most directory_max_age, {self.directory_max_age} s")
