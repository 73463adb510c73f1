"""What carries messages between two nodes that have no connection.

Today that is routed envelopes: small sealed messages that connected peers hand on. Reservations and the relaying of
connections come with NAT traversal.
"""
