"""The asyncio side: driver, waiters, the mesh object, control socket, health endpoint."""
