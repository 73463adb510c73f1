"""What a person sees of a topology: the table of its hosts, the proof, and what to try next."""

import shlex

from rich.console import Group
from rich.table import Table
from rich.text import Text

from macula_lab.mesh.models import CallProof, Member, Peer, Proof


def members_table(title: str, members: list[Member]) -> Table:
    """Host, role, address and NAT; where there are nodes of ours also id, DHT entries, and peers with their path."""
    has_nodes = any(member.is_node for member in members)
    table = Table(title=title, title_justify="left", title_style="bold", show_lines=has_nodes)
    headings = ["node", "role", "address", "NAT"]
    headings += ["id", "DHT", "peers (path, round trip)"] if has_nodes else ["state"]
    for heading in headings:
        table.add_column(heading, overflow="fold", justify="right" if heading == "DHT" else "left")
    names = {member.status.node_id: member.service for member in members if member.status}
    for member in members:
        known = [member.service, member.role or member.image, member.address.replace(" ", "\n")]
        known.append(member.nat.replace(", behind", "\nbehind"))
        if member.status:
            peers = "\n".join(peer_line(peer, names) for peer in member.status.peers)
            table.add_row(*known, member.status.short_id, str(member.status.dht.nodes), peers or "none")
        elif has_nodes:
            told = f"{member.state}, no answer" if member.is_node else member.state
            table.add_row(*known, "", "", Text(told, "dim"))
        else:
            table.add_row(*known, member.state)
    return table


def peer_line(peer: Peer, names: dict[str, str]) -> str:
    """One connected peer: who, how, how far."""
    name = names.get(peer.node_id) or peer.name or peer.short_id
    rtt = "" if peer.rtt_ms is None else f" {peer.rtt_ms:.1f} ms"
    hops = f" over {peer.hops} router{'s' if peer.hops > 1 else ''}" if peer.hops else ""
    return f"{name} {peer.path}{rtt}{hops}"


def proof_lines(proof: Proof) -> Group:
    """The smoke calls and the event with their latency, and who is cut off and why."""
    lines = [call_line(call) for call in proof.calls]
    if event := proof.event:
        lines.append(
            f"event  {event.publisher} -> {event.subscriber}  {event.topic}  acknowledged in {event.latency_ms:.1f} ms"
        )
    lines += [f"cut off, as it must be: {name}, {why}" for name, why in proof.cut_off.items()]
    return Group(*lines)


def call_line(call: CallProof) -> str:
    """One call."""
    ended = "not reached, as it must be" if call.latency_ms is None else f"answered in {call.latency_ms:.1f} ms"
    path = "" if call.latency_ms is None else f"{call.path}, "
    return f"call   {call.caller} -> {call.provider}  {call.procedure}  {path}{ended}"


def try_next(where: list[str], service: str, realm: str, router: str) -> Group:
    """Commands that lead on from here. `where` are the options that name this lab, none when it is the only one."""
    lab = ".venv/bin/macula-lab"
    options = "".join(f" {option}" for option in map(shlex.quote, where))
    lines = [f'  {lab} exec{options} {service} -- macula call {realm}.demo.add \'{{"a": 1, "b": 2}}\'']
    if router:
        lines += [
            f"  {lab} event{options} nat-reboot {router}",
            f"  {lab} link{options} {router} --delay 40 --loss 2",
            f"  {lab} exec{options} {router} -- macula-router show",
        ]
    else:
        lines.append(f"  {lab} exec{options} {service} -- macula dht lookup {realm}.demo.echo")
    return Group("Try next:", *lines, f"  {lab} logs{options}", f"  {lab} down{options}")
