"""The floor: bare aioquic with its own asyncio glue, no mesh.

What is written in one turn of the loop goes out together, as a node does it: without that bare aioquic makes an eighth
of the calls, and anybody would look fast next to it. Both sides show a certificate, as nodes do. Calls are frames on
one stream, told apart by correlation ids.
"""

from benchmarks.systems.floor.client import calling, opening, sending, subscribing
from benchmarks.systems.floor.server import publishing, serving

__all__ = ["calling", "opening", "publishing", "sending", "serving", "subscribing"]
