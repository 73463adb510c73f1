"""What carries messages between two nodes that have no connection.

Routed envelopes are small sealed messages that connected peers hand on (service). Where both can use a relay they have
a connection, whose packets the relay forwards: here is who may have a session at a relay, and who wants one (granting,
using); the packets themselves are the transport's.
"""
