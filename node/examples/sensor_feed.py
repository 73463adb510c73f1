"""Sensors publish readings; one subscriber takes them all by a pattern, another watches one room by a callback.

Run it alone: both nodes live in this process and find each other through the first.
"""

import asyncio

import macula

REALM = "org.example.sensors"
ROOMS = ("kitchen", "cellar")
READINGS = 3


async def main() -> None:
    async with macula.connect(REALM, node_id="display", mode="bootstrap", host="127.0.0.1") as display:
        cellar: asyncio.Queue[float] = asyncio.Queue(READINGS)

        async def watch(event: macula.MeshEvent) -> None:
            await cellar.put(event.payload["celsius"])

        await display.subscribe(f"{REALM}.cellar.temperature", watch)

        entry = (await display.status())["listen"]
        async with (
            macula.connect(REALM, node_id="sensors", host="127.0.0.1", bootstrap=[entry]) as sensors,
            await display.subscribe(f"{REALM}.*.temperature") as readings,
        ):
            for number in range(READINGS):
                for room in ROOMS:
                    reading = {"celsius": 12.0 + number}
                    report = await sensors.publish(f"{REALM}.{room}.temperature", reading, qos=1, timeout=5.0)
                    print("published to", [node.short for node in report.delivered], "failed:", report.failed)

            for _ in range(READINGS * len(ROOMS)):
                event = await anext(readings)
                print(f"#{event.sequence} {event.topic}: {event.payload['celsius']} °C")

        print("cellar:", [await cellar.get() for _ in range(READINGS)])


if __name__ == "__main__":
    asyncio.run(main())
