"""Datagrams over TCP, for networks that let no UDP out: each is one message of a WebSocket over TLS."""
