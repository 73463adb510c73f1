"""What a person sees of a topology: the table of nodes, the proof, and what to try next."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from macula_lab.mesh.models import Member, Peer, Proof


def members_table(title: str, members: list[Member]) -> Table:
    """Node, role, address, id, DHT entries, and peers with path and round-trip time."""
    table = Table(title=title, title_justify="left", title_style="bold", show_lines=True)
    for heading in ("node", "role", "address", "id", "DHT", "peers (path, round trip)"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "DHT" else "left")
    names = {member.status.node_id: member.service for member in members if member.status}
    for member in members:
        address = member.address.replace(" ", "\n")
        if member.status is None:
            told = member.state if member.role == "router" else f"{member.state}, no answer"
            table.add_row(member.service, member.role, address, "", "", Text(told, "dim"))
            continue
        peers = "\n".join(peer_line(peer, names) for peer in member.status.peers)
        entries = str(member.status.dht.nodes)
        table.add_row(member.service, member.role, address, member.status.short_id, entries, peers)
    return table


def peer_line(peer: Peer, names: dict[str, str]) -> str:
    """One connected peer: who, how, how far."""
    name = names.get(peer.node_id) or peer.name or peer.short_id
    rtt = "" if peer.rtt_ms is None else f" {peer.rtt_ms:.1f} ms"
    hops = f" over {peer.hops} router{'s' if peer.hops > 1 else ''}" if peer.hops else ""
    return f"{name} {peer.path}{rtt}{hops}"


def proof_lines(proof: Proof) -> Group:
    """The smoke call and event with their latency."""
    call, event = proof.call, proof.event
    return Group(
        f"call   {call.caller} -> {call.provider}  {call.procedure}  {call.path}, answered in {call.latency_ms:.1f} ms",
        f"event  {event.publisher} -> {event.subscriber}  {event.topic}  acknowledged in {event.latency_ms:.1f} ms",
    )


def chosen(topology: str, project: str) -> dict[str, str]:
    """The settings that a command needs to mean this topology; none where the defaults do."""
    needed = {"topology": topology} if topology != "mesh" else {}
    return needed if project == f"macula-{topology}" else {**needed, "project": project}


def settings(topology: str, project: str) -> str:
    """The same for `make`, each with a space before it."""
    return "".join(f" {name.upper()}={value}" for name, value in chosen(topology, project).items())


def try_next(topology: str, project: str, service: str, realm: str) -> Group:
    """Commands that lead on from here."""
    where = settings(topology, project)
    options = "".join(f" --{name} {value}" for name, value in chosen(topology, project).items())
    lab = f".venv/bin/macula-lab exec{options} {service} --"
    return Group(
        "Try next:",
        f'  {lab} macula call {realm}.demo.add \'{{"a": 1, "b": 2}}\'',
        f"  {lab} macula dht lookup {realm}.demo.echo",
        f"  make logs{where}    make ps{where}    make down{where}",
        "  make test",
    )
