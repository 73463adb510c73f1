"""Datagrams that can be told from everybody else's."""

import os


def new_token() -> bytes:
    """A payload that nobody else sends."""
    return b"macula-probe " + os.urandom(8).hex().encode()
