from macula_lab.evidence.timeline import MOST_LOG_LINES, Entry, timeline, warnings

TEXT = '2026-01-31T12:00:00.250Z warning connection.lost peer=ab3k reason="gone away"'
JSON = '{"time": "2026-01-31T12:00:01.500Z", "level": "error", "event": "handler.failed", "call": 7}'
NOON = 1769860800.0


def test_warnings_and_errors_of_either_format_are_told() -> None:
    log = f"2026-01-31T12:00:00.000Z info    node.up port=9443\n{TEXT}\nnode | {JSON}\n"
    assert warnings("edge_a", log) == [
        Entry(NOON + 0.25, "warning", "edge_a", 'connection.lost peer=ab3k reason="gone away"'),
        Entry(NOON + 1.5, "error", "edge_a", "handler.failed call=7"),
    ]


def test_lines_that_only_look_like_log_lines_break_nothing() -> None:
    lines = [
        '{"level": "error"}',
        '{"level": 3, "time": 4}',
        '{"level": "error", "time": "soon"}',
        '{"level"',
        "{}",
        "",
    ]
    assert warnings("edge_a", "\n".join(lines)) == []


def test_a_flood_of_warnings_is_cut_to_the_last_ones() -> None:
    log = "\n".join(TEXT.replace(".250", f".{n:03}") for n in range(MOST_LOG_LINES + 5))
    entries = timeline([], [], {"edge_a": log})
    assert len(entries) == MOST_LOG_LINES and round(entries[0].time - NOON, 3) == 0.005


def test_events_are_told_with_what_changed_in_the_order_of_time() -> None:
    roam = {"event": "roam", "target": "edge_a", "arguments": ["lan_b"], "changes": ["x", "y"]}
    reboot = {"event": "nat-reboot", "target": "nat_a", "arguments": [], "changes": ["nat_a: 7 forgotten"]}
    events = [{"time": NOON + 2, "seconds": 0.1, **roam}, {"time": NOON, "seconds": 0.1, **reboot}]
    assert [(entry.where, entry.text) for entry in timeline(events, [], {"edge_b": TEXT})] == [
        ("nat_a", "nat-reboot: 7 forgotten"),
        ("edge_b", 'connection.lost peer=ab3k reason="gone away"'),
        ("edge_a", "roam lan_b: x; y"),
    ]
