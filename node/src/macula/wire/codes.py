"""Reasons that travel between nodes: why a connection is closed, why a record or an event is refused."""

from __future__ import annotations

# Why a connection is closed (ProtocolError.code, Disconnect.code).
BAD_FRAME = "bad_frame"  # header, length, flags or MessagePack is malformed
BAD_MESSAGE = "bad_message"  # a field is missing, has a wrong type or breaks a limit
UNKNOWN_TYPE = "unknown_type"  # no message has this type number
UNEXPECTED = "unexpected"  # the message is not allowed now, such as one before hello
NO_COMMON_VERSION = "no_common_version"  # a frame or a hello of versions that this node does not speak
NO_COMMON_REALM = "no_common_realm"
WRONG_REALM = "wrong_realm"  # a frame names a realm that its sender did not claim in hello, or that is not served here
BAD_IDENTITY = "bad_identity"  # the peer's key is not the expected one, or it showed none
NO_CHAIN = "no_chain"  # CA mode: the peer shows a key of its own and no certificate of a CA
UNKNOWN_CA = "unknown_ca"  # CA mode: its certificate does not lead to a CA that is trusted here
CERTIFICATE_EXPIRED = "certificate_expired"  # CA mode: its certificate, or one above it, is not valid now
WRONG_NAME = "wrong_name"  # CA mode: its certificate does not name the host that was dialed
BAD_CERTIFICATE = "bad_certificate"  # CA mode: its certificate is malformed or for another use
GOING_AWAY = "going_away"  # graceful stop
IDLE = "idle"  # not used for the idle time
EVICTED = "evicted"  # made room for another connection
DUPLICATE = "duplicate"  # both sides dialed; the other connection stays

CERTIFICATE = frozenset({NO_CHAIN, UNKNOWN_CA, CERTIFICATE_EXPIRED, WRONG_NAME, BAD_CERTIFICATE})

# Answers to Store, one for each record.
STORED = "stored"
UNCHANGED = "unchanged"  # the same sequence is there already
BAD_SIGNATURE = "bad_signature"
BAD_KEY = "bad_key"  # the key does not belong to realm, kind and name
STALE = "stale"  # a higher sequence is there
EXPIRED = "expired"
NOT_YET_VALID = "not_yet_valid"
BAD_TTL = "bad_ttl"
TOO_LARGE = "too_large"
QUOTA = "quota"
NOT_SERVING = "not_serving"  # the node is a client of the DHT only

# Answers to Publish; STALE too, for an event that comes after later ones were delivered.
ACCEPTED = "accepted"
BUSY = "busy"
NO_SUBSCRIPTION = "no_subscription"

# Answers to a routed envelope.
NO_ROUTE = "no_route"
MAX_HOPS_EXCEEDED = "max_hops_exceeded"

# Why a message was not sent.
UNSUPPORTED = "unsupported"  # the peer's hello does not name the capability that it needs
