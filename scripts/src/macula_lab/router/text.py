"""What `macula-router show` writes for people. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def describe(shown: Mapping[str, Any]) -> str:
    """A router, its mappings, its drops and its rules, as lines."""
    preset = f" ({shown['preset']})" if shown["preset"] else ""
    lines = [f"NAT    {shown['profile']}{preset}"]
    if wan := shown["wan"]:
        lines.append(f"WAN    {wan['interface']} {wan['address']}")
    lines += [f"LAN    {lan['interface']} {lan['address']} in {lan['subnet']}" for lan in shown["lans"]]
    lines += [f"CUT    {network}" for network in shown["partitioned"]]
    lines += _block(
        "mappings",
        ("protocol", "inside", "outside", "expires", "remotes"),
        (
            (
                *(str(one[key]) for key in ("protocol", "inside", "outside")),
                f"{one['expires']} s",
                " ".join(one["remotes"]),
            )
            for one in shown["mappings"]
        ),
    )
    lines += _block(
        "dropped",
        ("reason", "protocol", "source", "destination", "packets"),
        (
            [str(one[key]) for key in ("reason", "protocol", "source", "destination", "packets")]
            for one in shown["drops"]
        ),
    )
    lines += _block(
        "rules",
        ("packets", "name", "chain", "probe", "text"),
        (
            [str("" if one[key] is None else one[key]) for key in ("packets", "name", "chain", "probe", "text")]
            for one in shown["rules"]
        ),
    )
    return "\n".join(lines)


def _block(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    table = [heads, *rows]
    if len(table) == 1:
        return ["", f"{title}: none"]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return ["", f"{title}:", *("  " + line for line in lines)]
