"""An ICE agent (RFC 8445) by others: meets its like in another place with the help of a STUN or TURN server.

usage: ice_agent.py NAME OTHER FOLDER SERVER [USER PASSWORD]

The two tell each other their candidates through the pipes NAME and OTHER in FOLDER. Prints what the other one sent,
or nothing when they do not meet within PATIENCE seconds. With USER and PASSWORD they may be relayed (TURN), else they
meet directly or not at all.
"""

import asyncio
import json
import sys
from pathlib import Path

import aioice

PATIENCE = 5.0
"""Seconds in which a check of a candidate is sent four times (RFC 8489, section 6.2.1: after 0, 0.5, 1.5 and 3.5 s)."""


async def meet(name: str, other: str, folder: Path, server: str, login: list[str]) -> str:
    """What the other agent sent."""
    place = (server, 3478)
    user, password = login or (None, None)
    agent = aioice.Connection(
        ice_controlling=name < other,
        stun_server=place,
        turn_server=place if login else None,
        turn_username=user,
        turn_password=password,
    )
    try:
        await agent.gather_candidates()
        candidates = [candidate.to_sdp() for candidate in agent.local_candidates]
        told = json.dumps([agent.local_username, agent.local_password, candidates])
        # Opening a pipe waits for the other side.
        _, heard = await asyncio.gather(
            asyncio.to_thread((folder / name).write_text, told), asyncio.to_thread((folder / other).read_text)
        )
        agent.remote_username, agent.remote_password, candidates = json.loads(heard)
        for candidate in candidates:
            await agent.add_remote_candidate(aioice.Candidate.from_sdp(candidate))
        await agent.add_remote_candidate(None)
        async with asyncio.timeout(PATIENCE):
            await agent.connect()
            await agent.send(f"{name} was here".encode())
            return (await agent.recv()).decode()
    except (TimeoutError, ConnectionError):
        return ""
    finally:
        await agent.close()


if __name__ == "__main__":
    print(asyncio.run(meet(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4], sys.argv[5:])))
