"""The composition root: a node from its settings, and `connect` for applications."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from macula.config import Settings
from macula.config.endpoints import BootstrapPeer, tunnel_ports
from macula.core.address import Address
from macula.core.commands import DhtLookup, Strategy
from macula.core.mode import FORWARDING_MODES, Mode, PathPolicy
from macula.core.record import Kind
from macula.core.results import LookupResult
from macula.dht.settings import DhtSettings
from macula.engine import Bootstrap, Engine, EngineSettings
from macula.engine.settings import PoolSettings, ReconnectSettings
from macula.errors import ConfigError
from macula.identity import Identity, NodeId
from macula.nat.settings import NatSettings
from macula.providers.quic.authority import CertificateFiles
from macula.providers.quic.diagnosis import Diagnosis, KeyLog, QlogFolder
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.transport import QuicTransport
from macula.providers.quic.tunnel.settings import TunnelSettings
from macula.pubsub.settings import PubSubSettings
from macula.relay.settings import RelaySettings, RouteSettings
from macula.rpc.settings import RpcSettings
from macula.runtime.addresses import find_addresses, resolve_advertised
from macula.runtime.driver import Driver
from macula.runtime.handlers import Handlers
from macula.runtime.keystore import Keystore
from macula.runtime.logs import ROOT, TraceLog, log_event
from macula.runtime.mesh import Mesh
from macula.runtime.metrics import Metrics
from macula.runtime.status import StatusReporter
from macula.runtime.telemetry import Telemetry

_LOG = logging.getLogger(f"{ROOT}.api")


JOIN_TIMEOUT = 10.0
"""Seconds for a whole connect (two attempts, and time to look around)."""


@asynccontextmanager
async def connect(
    realm: str,
    node_id: str | None = None,
    bootstrap: Sequence[str] = (),
    *,
    join_timeout: float = JOIN_TIMEOUT,
    **settings: Any,
) -> AsyncIterator[Mesh]:
    """A node in this process that has entered the mesh, for as long as the context lasts.

    `node_id` is the node's name, `bootstrap` are addresses such as "host:9443"; `settings` are those of
    `macula settings`. Unless `data_dir` or `tls_key` is given the identity lasts as long as the node; unless `port` is
    given a free one is taken. Raises ConfigError, PeerUnreachable if no bootstrap let it in within `join_timeout`
    seconds, and OSError if the port is taken.
    """
    chosen: dict[str, Any] = {"port": 0, "realm": realm, "bootstrap": tuple(bootstrap), **settings}
    if node_id is not None:
        chosen["name"] = node_id
    identity = None if "data_dir" in settings or "tls_key" in settings else Identity.generate()
    async with open_node(Settings(**chosen), identity) as mesh:
        await mesh.joined(join_timeout)
        yield mesh


@asynccontextmanager
async def open_node(settings: Settings, identity: Identity | None = None) -> AsyncIterator[Mesh]:
    """A running node; it stops gracefully at the end of the context. Without an identity, that of the data directory,
    which then also keeps the pins of bootstraps. Raises ConfigError, and OSError if the port is taken."""
    keystore = Keystore(settings.data_dir, settings.tls_key) if identity is None else None
    identity = identity or Keystore(settings.data_dir, settings.tls_key).load_or_create_identity()
    engine_settings = _engine_settings(settings, keystore.pins() if keystore else {})
    advertise = await resolve_advertised(settings.advertise, settings.host)
    diagnosis = Diagnosis(
        KeyLog(settings.key_log) if settings.key_log else None,
        QlogFolder(settings.qlog_dir) if settings.qlog_dir else None,
    )
    tunnels = TunnelSettings() if settings.tcp else None
    local, certificates = Address(settings.host, settings.port), _certificates(settings, identity.node_id)
    transport = QuicTransport(
        identity, local, _quic_settings(settings), diagnosis=diagnosis, tunnels=tunnels, certificates=certificates
    )
    engine = Engine(identity, engine_settings, random.Random())
    telemetry = Telemetry(TraceLog(settings.name))
    make_driver, make_handlers = _parts()
    driver = make_driver(engine, transport, telemetry, _pinning(keystore))
    await transport.open(driver.deliver)
    try:
        places = [bootstrap.address for bootstrap in engine_settings.bootstraps]
        addresses = await find_addresses(transport.local_address, advertise, places)
        addresses += _take_tunnels(transport, settings, addresses)

        async def find_peer(node: NodeId) -> LookupResult:
            result: LookupResult = await driver.ask(DhtLookup("", Kind.PEER, str(node)))
            return result

        metrics = Metrics(telemetry)
        reporter = StatusReporter(identity.node_id, engine_settings, transport, addresses, find_peer, metrics, keystore)
        async with _application(partial(make_handlers, driver), settings.handler_threads) as handlers:
            driver.start(handlers, addresses)
            strategy = Strategy(settings.call_strategy)
            try:
                yield Mesh(driver, handlers, engine_settings, reporter, telemetry, settings.call_timeout, strategy)
            finally:
                await driver.shutdown(settings.drain_timeout)
    finally:
        driver.close()
        await transport.close()


def _parts() -> tuple[Callable[..., Driver], Callable[..., Handlers]]:
    """What joins a node to its application; with spans if that has set up OpenTelemetry."""
    if "opentelemetry.trace" in sys.modules:
        from macula.runtime.tracing import TracedDriver, TracedHandlers, find_tracer

        if tracer := find_tracer():
            return partial(TracedDriver, tracer), partial(TracedHandlers, tracer)
    return Driver, Handlers


@asynccontextmanager
async def _application(make: Callable[[asyncio.TaskGroup, int], Handlers], threads: int) -> AsyncIterator[Handlers]:
    """The task group of handlers and callbacks; an error of the body leaves it as it is, not in a group."""
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        handlers = make(tasks, threads)
        try:
            yield handlers
        except Exception as error:  # noqa: BLE001 - raised again below
            failure = error
        finally:
            handlers.close()
    if failure is not None:
        raise failure


def _engine_settings(settings: Settings, pins: dict[Address, NodeId]) -> EngineSettings:
    return EngineSettings(
        mode=Mode(settings.mode),
        name=settings.name,
        realm=settings.realm,
        reachable=settings.reachable != "no",
        bootstraps=tuple(_bootstrap(peer, settings, pins) for peer in settings.entries),
        record_ttl=settings.record_ttl,
        pool=PoolSettings(
            max_size=settings.pool_max_size,
            max_per_network=settings.pool_max_per_network,
            idle_timeout=settings.idle_timeout,
            dial_timeout=settings.connect_timeout,
        ),
        reconnect=ReconnectSettings(
            enabled=settings.reconnect,
            interval=settings.reconnect_interval,
            max_attempts=settings.max_reconnect_attempts,
        ),
        dht=DhtSettings(
            k=settings.dht_k,
            alpha=settings.dht_alpha,
            ttl=settings.record_ttl,
            total_quota=settings.dht_max_records,
            storer_quota=settings.dht_max_records_per_peer,
            record_rate=settings.dht_record_rate,
            publisher_quota=max(1, settings.dht_max_records_per_peer // 4),
        ),
        rpc=RpcSettings(
            call_rate=settings.call_rate,
            max_handlers=settings.max_concurrent_calls,
            # One caller, however many calls it makes, and one network, however many callers, leave room for others.
            max_handlers_per_peer=max(1, settings.max_concurrent_calls // 2),
            max_handlers_per_network=max(1, settings.max_concurrent_calls * 3 // 4),
        ),
        pubsub=PubSubSettings(event_rate=settings.event_rate),
        route=RouteSettings(max_hops=settings.max_hops),
        path_policy=PathPolicy(settings.path_policy),
        relay=RelaySettings(settings.relay_clients, rate=settings.relay_rate) if settings.relay_clients else None,
        nat=NatSettings(
            measures=True,
            answers=Mode(settings.mode) in FORWARDING_MODES and settings.reachable != "no",
            other_port=settings.stun_port,
            other_host=settings.stun_host,
            bootstraps=tuple(Address(peer.host, peer.port) for peer in settings.entries if not peer.tunnel),
        ),
    )


def _quic_settings(settings: Settings) -> QuicSettings:
    return QuicSettings(
        max_half_open=settings.max_handshakes,
        retry_threshold=settings.max_handshakes // 8,
        control_rate=settings.control_rate,
        message_rate=settings.message_rate,
        byte_rate=settings.byte_rate,
        bulk_rate=settings.bulk_rate,
        initial_rate=settings.handshake_rate,
        initial_burst=round(2.56 * settings.handshake_rate),
    )


def _certificates(settings: Settings, own: NodeId) -> CertificateFiles | None:
    """The files of CA mode; None if the node is in no such mode."""
    bundle, certificate = settings.tls_ca, settings.tls_certificate
    if bundle is None and certificate is None:
        return None
    if bundle is None or certificate is None:
        missing, given = ("tls_ca", "tls_certificate") if bundle is None else ("tls_certificate", "tls_ca")
        raise ConfigError(missing, f"must be given too, since {given} is: CA mode shows a certificate and asks for one")
    return CertificateFiles(bundle, certificate, own)


def _bootstrap(peer: BootstrapPeer, settings: Settings, pins: dict[Address, NodeId]) -> Bootstrap:
    address = Address(peer.host, peer.port)
    tunnels: tuple[Address, ...] = ()
    if peer.tunnel:
        address = address.tunnel(peer.port)
    elif settings.tcp:
        tunnels = tuple(address.tunnel(port) for port in tunnel_ports(settings.tcp_ports, peer.port))
    if peer.node_id:
        return Bootstrap(address, NodeId.parse(peer.node_id), tunnels=tunnels)
    return Bootstrap(address, pins.get(address), pinned=address in pins, tunnels=tunnels)


def _take_tunnels(transport: QuicTransport, settings: Settings, addresses: Sequence[Address]) -> tuple[Address, ...]:
    """Where others can open tunnels to this node, if it is one that others come to."""
    if not settings.tcp or Mode(settings.mode) is Mode.EDGE or settings.reachable == "no":
        return ()
    failures = transport.listen(tunnel_ports(settings.tcp_ports, transport.local_address.port))
    for port, reason in failures.items():
        log_event(_LOG, logging.WARNING, "tcp.not_listening", {"port": port, "reason": reason})
    return tuple(address.tunnel(port) for port in transport.tunnels.ports for address in addresses)


def _pinning(keystore: Keystore | None) -> Callable[[Address, NodeId], None]:
    def pin(address: Address, peer: NodeId) -> None:
        if keystore is None:
            return
        try:
            keystore.pin(address, peer)
        except ConfigError as error:
            # A full disk must not stop a node that runs; until the next start it knows the pin anyway.
            log_event(_LOG, logging.ERROR, "bootstrap.not_pinned", {"address": str(address), "reason": error.reason})

    return pin


__all__ = ["Mesh", "connect", "open_node"]
