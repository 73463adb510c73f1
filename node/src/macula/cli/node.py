"""macula node"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from contextlib import AsyncExitStack
from typing import Any

import typer

from macula.cli.exporting import exported_spans
from macula.cli.output import reporting
from macula.cli.setting_options import with_setting_options
from macula.config import Settings
from macula.config.sources import unknown_variables
from macula.errors import ConfigError, MeshError
from macula.runtime import log_format, logs
from macula.runtime.control import control_server
from macula.runtime.control_commands import Commands
from macula.runtime.demo import DemoService
from macula.runtime.http import health_server
from macula.runtime.reports import MeshLike

app = typer.Typer(add_completion=False)
_log = logging.getLogger(__name__)


@app.command()
@with_setting_options
def node(**given: Any) -> None:
    """Run a node until SIGTERM or SIGINT, then leave the mesh gracefully; a second signal ends it at once."""
    with reporting(False):
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    log_format.configure(settings.log_level, settings.log_format, sys.stderr, settings.name)
    for warning in unknown_variables(Settings.model_fields):
        _log.warning(warning)
    try:
        with exported_spans(settings.name), asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run_node(settings))
    except* (MeshError, OSError) as errors:
        for error in _leaves(errors):
            sys.stderr.write(f"macula: {error}\n")
        raise typer.Exit(2 if errors.subgroup(ConfigError) else 1) from None


async def run_node(settings: Settings) -> None:
    """A node with its control socket, health endpoint and, if set, demo service. Raises MeshError, OSError."""
    from macula.api import open_node

    stop = asyncio.Event()
    _stop_on_signals(stop)
    async with open_node(settings) as mesh:
        # What a node is made of lasts as long as its process: full collections would look through it in vain.
        gc.collect()
        gc.freeze()
        await serve_node(mesh, settings, stop)


async def serve_node(mesh: MeshLike, settings: Settings, stop: asyncio.Event) -> None:
    """What a running node offers to this host, until `stop` is set. Raises ConfigError for a socket it cannot have."""
    demo = DemoService(mesh)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(control_server(Commands(mesh, demo), settings.control_socket))
        if settings.health_port:
            await stack.enter_async_context(health_server(mesh, settings.health_host, settings.health_port))
        fields = {"name": mesh.name, "mode": mesh.mode, "node_id": mesh.node_id, "control": settings.control_socket}
        logs.log_event(_log, logging.INFO, "node.started", fields)
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(_serve_demo(demo)) if settings.demo else None
            await stop.wait()
            if serving is not None:
                serving.cancel()
        logs.log_event(_log, logging.INFO, "node.stopping", {"name": mesh.name})
        # Before the control socket is closed: at its other end are commands that answer the calls which still run.
        await mesh.leave(settings.drain_timeout)


async def _serve_demo(demo: DemoService) -> None:
    """The demo is no reason for a node not to run: what keeps it from being advertised is logged."""
    try:
        await demo.start()
    except MeshError as error:
        logs.log_event(_log, logging.ERROR, "demo.failed", {"reason": error})


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)

    def on_signal() -> None:
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, on_signal)


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
