"""Which realms a node serves, and which of them two nodes share."""

from __future__ import annotations

from macula.identity.names import is_name

ANY_REALM = "*"


def serves(realms: tuple[str, ...], realm: str) -> bool:
    """Whether a node with these realms accepts frames of `realm`."""
    return realm in realms or ANY_REALM in realms


def common_realm(ours: tuple[str, ...], theirs: tuple[str, ...]) -> str | None:
    """The realm that frames to a node with the realms `theirs` name when they are about no realm of their own:
    ANY_REALM if both serve any. None if the two have nothing to say to each other."""
    if ANY_REALM in ours:
        return next((realm for realm in theirs if realm == ANY_REALM or is_name(realm)), None)
    return next((realm for realm in ours if serves(theirs, realm)), None)
