"""Which service gets which message, command and request."""

from __future__ import annotations

from macula.core import commands as cmd
from macula.core import requests as req
from macula.wire import messages as msg
from macula.wire.streaming import StreamCall, StreamCredit, StreamEnd, StreamItem

OWN, DHT, RPC, PUBSUB, RELAY, NAT, GRANT, USE = range(8)
ASKERS = 8
"""Tokens and delivery ids are handed out in steps of this, so that `id % ASKERS` names who asked."""

MESSAGES: dict[type[msg.Message], int] = {
    msg.FindNode: DHT,
    msg.FindNodeReply: DHT,
    msg.Store: DHT,
    msg.StoreReply: DHT,
    msg.FindValue: DHT,
    msg.FindValueReply: DHT,
    msg.Call: RPC,
    msg.Reply: RPC,
    msg.Cancel: RPC,
    StreamCall: RPC,
    StreamItem: RPC,
    StreamEnd: RPC,
    StreamCredit: RPC,
    msg.Publish: PUBSUB,
    msg.PublishAck: PUBSUB,
    msg.RpcRoute: RELAY,
    msg.PubsubRoute: RELAY,
    msg.RouteError: RELAY,
    msg.Candidates: NAT,
    msg.Sync: NAT,
    msg.ObserverAsk: NAT,
    msg.ObserverTold: NAT,
    msg.RelayReserve: GRANT,
    msg.RelayGrant: USE,
    msg.RelayRefuse: USE,
    msg.RelayDrain: USE,
    msg.Pong: USE,
}

COMMANDS: dict[type[cmd.Command], int] = {
    cmd.Advertise: RPC,
    cmd.Unadvertise: RPC,
    cmd.CallProcedure: RPC,
    cmd.CancelCall: RPC,
    cmd.SendItem: RPC,
    cmd.EndItems: RPC,
    cmd.ItemTaken: RPC,
    cmd.PublishEvent: PUBSUB,
    cmd.Subscribe: PUBSUB,
    cmd.Unsubscribe: PUBSUB,
    cmd.DhtStats: DHT,
    cmd.DhtLookup: DHT,
    cmd.NatDetails: NAT,
    cmd.ExplainPeer: NAT,
}

REQUESTS: dict[type[req.Request], int] = {
    req.FindRecords: DHT,
    req.FindPeer: DHT,
    req.PublishRecord: DHT,
    req.WithdrawRecord: DHT,
    req.Route: RELAY,
    req.Punch: NAT,
    req.ReachVia: USE,
}

ALWAYS = (
    *(cmd.CancelCall, cmd.SendItem, cmd.EndItems, cmd.ItemTaken),
    *(cmd.Status, cmd.NatDetails, cmd.ExplainPeer, cmd.DhtStats, cmd.Shutdown),
)
"""Commands that a node still takes while it shuts down."""
