"""A calculator that any node of the realm can call: one node provides it, another uses it.

Run it alone: both nodes live in this process and find each other through the first.
"""

import asyncio

import macula
from macula.errors import NotFound, RemoteError

REALM = "org.example.calculator"


def divide(args: dict[str, float]) -> float:
    """A plain function runs in a thread; what it raises reaches the caller as RemoteError."""
    return args["a"] / args["b"]


async def total(args: list[float], context: macula.CallContext) -> dict[str, object]:
    """An async handler that also wants to know who is calling."""
    return {"total": sum(args), "asked_by": context.caller.short}


async def main() -> None:
    async with macula.connect(REALM, node_id="calculator", mode="bootstrap", host="127.0.0.1") as calculator:
        await calculator.advertise(f"{REALM}.divide", divide, idempotent=True)
        await calculator.advertise(f"{REALM}.total", total, idempotent=True)

        entry = (await calculator.status())["listen"]
        async with macula.connect(REALM, node_id="user", host="127.0.0.1", bootstrap=[entry]) as user:
            print("10 / 4 =", await user.call(f"{REALM}.divide", {"a": 10, "b": 4}, timeout=5.0))

            pending = [user.call_async(f"{REALM}.total", list(range(n))) for n in (10, 100)]
            for call in pending:
                print("total:", (await call)["total"])

            try:
                await user.call(f"{REALM}.divide", {"a": 1, "b": 0})
            except RemoteError as error:
                print("1 / 0 failed at the provider:", error)

            try:
                await user.call(f"{REALM}.multiply", {"a": 1, "b": 2}, timeout=5.0)
            except NotFound:
                print("nobody multiplies")


if __name__ == "__main__":
    asyncio.run(main())
