"""Golden vectors of protocol version 2: every message type, and the bytes that it must always have.

The first line of hex is the header (version, type, flags, reserved, payload length), the rest a MessagePack map from
field names to values, in the order of the fields.
"""

from __future__ import annotations

from macula.identity import NodeId
from macula.wire.messages import (
    Call,
    Cancel,
    Candidates,
    Disconnect,
    FindNode,
    FindNodeReply,
    FindValue,
    FindValueReply,
    Hello,
    Message,
    ObserverAsk,
    ObserverTold,
    Ping,
    Pong,
    Publish,
    PublishAck,
    PubsubRoute,
    RelayDrain,
    RelayGrant,
    RelayRefuse,
    RelayReserve,
    Reply,
    RouteError,
    RpcRoute,
    Store,
    StoreReply,
    Sync,
)
from macula.wire.streaming import StreamCall, StreamCredit, StreamEnd, StreamItem

ID = bytes(range(16))
KEY = b"\x4b" * 32
A = NodeId(b"\x0a" * 32)
B = NodeId(b"\x0b" * 32)
C = NodeId(b"\x0c" * 32)

VECTORS: tuple[tuple[Message, str], ...] = (
    (
        Hello(2, 2, ("dht",), ("io.test",), b"\xee\xff"),
        """
        02 01 00 00 00000048
        85ab76657273696f6e5f6d696e02ab76657273696f6e5f6d617802ac6361706162696c697469657391a3646874a67265
        616c6d7391a7696f2e74657374a67265636f7264c402eeff
        """,
    ),
    (
        Disconnect("going_away", "stopping"),
        """
        02 02 00 00 00000021
        82a4636f6465aa676f696e675f61776179a6726561736f6ea873746f7070696e67
        """,
    ),
    (
        Ping(1),
        """
        02 03 00 00 0000000a
        81a77265717565737401
        """,
    ),
    (
        Pong(1),
        """
        02 04 00 00 0000000a
        81a77265717565737401
        """,
    ),
    (
        Publish("io.test", "io.test.room.temperature", b"\xcb@5\x80\x00\x00\x00\x00\x00", 1, 2**40, 7, 5),
        """
        02 10 00 00 00000066
        87a57265616c6da7696f2e74657374a5746f706963b8696f2e746573742e726f6f6d2e74656d7065726174757265a770
        61796c6f6164c409cb4035800000000000a3716f7301a565706f6368cf0000010000000000a873657175656e636507a5
        666c6f6f7205
        """,
    ),
    (
        PublishAck("io.test", "io.test.room.temperature", 2**40, 7, "accepted"),
        """
        02 14 00 00 00000057
        85a57265616c6da7696f2e74657374a5746f706963b8696f2e746573742e726f6f6d2e74656d7065726174757265a565
        706f6368cf0000010000000000a873657175656e636507a6737461747573a86163636570746564
        """,
    ),
    (
        Call("io.test", ID, "io.test.add", b"\x92\x01\x02", 5000),
        """
        02 20 00 00 00000057
        85a57265616c6da7696f2e74657374a763616c6c5f6964c410000102030405060708090a0b0c0d0e0fa970726f636564
        757265ab696f2e746573742e616464a461726773c403920102aa74696d656f75745f6d73cd1388
        """,
    ),
    (
        Reply("io.test", ID, b"\x03", "", ""),
        """
        02 21 00 00 00000042
        85a57265616c6da7696f2e74657374a763616c6c5f6964c410000102030405060708090a0b0c0d0e0fa6726573756c74
        c40103a56572726f72a0a6726561736f6ea0
        """,
    ),
    (
        Cancel("io.test", ID),
        """
        02 26 00 00 00000029
        82a57265616c6da7696f2e74657374a763616c6c5f6964c410000102030405060708090a0b0c0d0e0f
        """,
    ),
    (
        StreamCall("io.test", ID, "io.test.lines", b"\xa4file", 5000, 2**21, True),
        """
        02 28 00 00 0000006e
        87a57265616c6da7696f2e74657374a763616c6c5f6964c410000102030405060708090a0b0c0d0e0fa970726f636564
        757265ad696f2e746573742e6c696e6573a461726773c405a466696c65aa74696d656f75745f6d73cd1388a663726564
        6974ce00200000a573656e6473c3
        """,
    ),
    (
        StreamItem("io.test", ID, True, b"\x2a"),
        """
        02 29 00 00 0000003c
        84a57265616c6da7696f2e74657374a763616c6c5f6964c410000102030405060708090a0b0c0d0e0fa6616e73776572
        c3a77061796c6f6164c4012a
        """,
    ),
    (
        StreamEnd("io.test", ID, True, "remote", "no such file"),
        """
        02 2a 00 00 00000052
        85a57265616c6da7696f2e74657374a763616c6c5f6964c410000102030405060708090a0b0c0d0e0fa6616e73776572
        c3a56572726f72a672656d6f7465a6726561736f6eac6e6f20737563682066696c65
        """,
    ),
    (
        StreamCredit("io.test", ID, False, 2**22),
        """
        02 2b 00 00 0000003c
        84a57265616c6da7696f2e74657374a763616c6c5f6964c410000102030405060708090a0b0c0d0e0fa6616e73776572
        c2a56c696d6974ce00400000
        """,
    ),
    (
        RpcRoute("io.test", ID, A, B, 1, 10, (A, C), b"sealed"),
        """
        02 23 00 00 00000106
        88a57265616c6da7696f2e74657374ab656e76656c6f70655f6964c410000102030405060708090a0b0c0d0e0fae736f
        757263655f6e6f64655f6964c4200a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0ab364
        657374696e6174696f6e5f6e6f64655f6964c4200b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b
        0b0b0b0ba9686f705f636f756e7401a86d61785f686f70730aa77669736974656492c4200a0a0a0a0a0a0a0a0a0a0a0a
        0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0ac4200c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c
        0c0c0c0c0c0ca77061796c6f6164c4067365616c6564
        """,
    ),
    (
        PubsubRoute("io.test", ID, A, B, 0, 10, (A,), b"sealed"),
        """
        02 13 00 00 000000e4
        88a57265616c6da7696f2e74657374ab656e76656c6f70655f6964c410000102030405060708090a0b0c0d0e0fae736f
        757263655f6e6f64655f6964c4200a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0ab364
        657374696e6174696f6e5f6e6f64655f6964c4200b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b
        0b0b0b0ba9686f705f636f756e7400a86d61785f686f70730aa77669736974656491c4200a0a0a0a0a0a0a0a0a0a0a0a
        0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0aa77061796c6f6164c4067365616c6564
        """,
    ),
    (
        RouteError("io.test", ID, "max_hops_exceeded", (A,)),
        """
        02 27 00 00 0000006c
        84a57265616c6da7696f2e74657374ab656e76656c6f70655f6964c410000102030405060708090a0b0c0d0e0fa4636f
        6465b16d61785f686f70735f6578636565646564a47061746891c4200a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a
        0a0a0a0a0a0a0a0a0a0a0a0a
        """,
    ),
    (
        FindNode("io.test", 4294967295, KEY),
        """
        02 40 00 00 00000045
        83a57265616c6da7696f2e74657374a772657175657374ceffffffffa6746172676574c4204b4b4b4b4b4b4b4b4b4b4b
        4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b
        """,
    ),
    (
        FindNodeReply(4294967295, (b"\x01", b"\x02")),
        """
        02 41 00 00 0000001b
        82a772657175657374ceffffffffa56e6f64657392c40101c40102
        """,
    ),
    (
        Store("io.test", 70000, (b"\x01",)),
        """
        02 42 00 00 00000028
        83a57265616c6da7696f2e74657374a772657175657374ce00011170a77265636f72647391c40101
        """,
    ),
    (
        FindValue("io.test", 300, KEY, b""),
        """
        02 43 00 00 00000048
        84a57265616c6da7696f2e74657374a772657175657374cd012ca36b6579c4204b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b
        4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4ba56166746572c400
        """,
    ),
    (
        FindValueReply(300, (b"\x01",), (b"\x02",), True),
        """
        02 44 00 00 00000028
        84a772657175657374cd012ca77265636f72647391c40101a56e6f64657391c40102a46d6f7265c3
        """,
    ),
    (
        StoreReply(70000, ("stored", "stale")),
        """
        02 45 00 00 00000024
        82a772657175657374ce00011170a7726573756c747392a673746f726564a57374616c65
        """,
    ),
    (
        Candidates(
            3,
            bytes(range(8)),
            KEY,
            "apdm",
            "apdf",
            "sequential",
            1,
            40001,
            False,
            True,
            12,
            (b"\x02\x9c\x41\xcb\x00\x71\x01",),
        ),
        """
        02 58 00 00 000000ae
        8ca5726f756e6403a87265636569766572c4080001020304050607a36b6579c4204b4b4b4b4b4b4b4b4b4b4b4b4b4b4b
        4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4ba76d617070696e67a46170646da966696c746572696e67a461706466a5706f
        727473aa73657175656e7469616ca564656c746101a96c6173745f706f7274cd9c41a766726167696c65c2a3756470c3
        a768656c645f6d730caa63616e6469646174657391c407029c41cb007101
        """,
    ),
    (
        Sync(3, 1),
        """
        02 59 00 00 0000000f
        82a5726f756e6403a5706861736501
        """,
    ),
    (
        ObserverAsk(70000, b"abcdefghijkl", 40000),
        """
        02 5a 00 00 00000030
        83a772657175657374ce00011170ab7472616e73616374696f6ec40c6162636465666768696a6b6ca4706f7274cd9c40
        """,
    ),
    (
        ObserverTold(70000, 9444, True, (b"\x01",)),
        """
        02 5b 00 00 00000030
        84a772657175657374ce00011170aa6f746865725f706f7274cd24e4a473656e74c3a96f627365727665727391c40101
        """,
    ),
    (
        RelayReserve(7, b"session!"),
        """
        02 5c 00 00 0000001c
        82a77265717565737407a773657373696f6ec40873657373696f6e21
        """,
    ),
    (
        RelayGrant(7, b"session!", KEY, 120, 8388608),
        """
        02 5d 00 00 00000056
        85a77265717565737407a773657373696f6ec40873657373696f6e21a36b6579c4204b4b4b4b4b4b4b4b4b4b4b4b4b4b
        4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4ba86c69666574696d6578a472617465ce00800000
        """,
    ),
    (
        RelayRefuse(7, "quota", "no more sessions"),
        """
        02 5e 00 00 0000002d
        83a77265717565737407a4636f6465a571756f7461a6726561736f6eb06e6f206d6f72652073657373696f6e73
        """,
    ),
    (
        RelayDrain(1),
        """
        02 5f 00 00 0000000a
        81a77365636f6e647301
        """,
    ),
)

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACED: tuple[tuple[Message, str], ...] = (
    (
        Publish("io.test", "io.test.room.temperature", b"\xc0", 1, 2**40, 7, 5, TRACEPARENT),
        """
        02 10 00 00 000000a3
        88a57265616c6da7696f2e74657374a5746f706963b8696f2e746573742e726f6f6d2e74656d7065726174757265a770
        61796c6f6164c401c0a3716f7301a565706f6368cf0000010000000000a873657175656e636507a5666c6f6f7205ab74
        72616365706172656e74d93730302d30616637363531393136636434336464383434386562323131633830333139632d
        623761643662373136393230333333312d3031
        """,
    ),
    (
        Call("io.test", ID, "io.test.add", b"\x92\x01\x02", 5000, TRACEPARENT),
        """
        02 20 00 00 0000009c
        86a57265616c6da7696f2e74657374a763616c6c5f6964c410000102030405060708090a0b0c0d0e0fa970726f636564
        757265ab696f2e746573742e616464a461726773c403920102aa74696d656f75745f6d73cd1388ab7472616365706172
        656e74d93730302d30616637363531393136636434336464383434386562323131633830333139632d62376164366237
        3136393230333333312d3031
        """,
    ),
    (
        StreamCall("io.test", ID, "io.test.lines", b"\xa4file", 5000, 2**21, True, TRACEPARENT),
        """
        02 28 00 00 000000b3
        88a57265616c6da7696f2e74657374a763616c6c5f6964c410000102030405060708090a0b0c0d0e0fa970726f636564
        757265ad696f2e746573742e6c696e6573a461726773c405a466696c65aa74696d656f75745f6d73cd1388a663726564
        6974ce00200000a573656e6473c3ab7472616365706172656e74d93730302d3061663736353139313663643433646438
        3434386562323131633830333139632d623761643662373136393230333333312d3031
        """,
    ),
)
"""Those that can be part of a span, and are (the example of W3C Trace Context)."""

KNOWING: tuple[tuple[Message, str], ...] = (
    (
        FindNode("io.test", 4294967295, KEY, (A[:8],)),
        """
        02 40 00 00 00000056
        84a57265616c6da7696f2e74657374a772657175657374ceffffffffa6746172676574c4204b4b4b4b4b4b4b4b4b4b4b
        4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4ba56b6e6f776e91c4080a0a0a0a0a0a0a0a
        """,
    ),
    (
        FindNodeReply(4294967295, (b"\x01",), (A[:8], B[:8])),
        """
        02 41 00 00 00000033
        83a772657175657374ceffffffffa56e6f64657391c40101a56b6e6f776e92c4080a0a0a0a0a0a0a0ac4080b0b0b0b0b
        0b0b0b
        """,
    ),
    (
        FindValue("io.test", 300, KEY, b"", (A[:8],)),
        """
        02 43 00 00 00000059
        85a57265616c6da7696f2e74657374a772657175657374cd012ca36b6579c4204b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b
        4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4ba56166746572c400a56b6e6f776e91c4080a0a0a0a0a0a0a0a
        """,
    ),
    (
        FindValueReply(300, (b"\x01",), (b"\x02",), True, (A[:8], B[:8])),
        """
        02 44 00 00 00000043
        85a772657175657374cd012ca77265636f72647391c40101a56e6f64657391c40102a46d6f7265c3a56b6e6f776e92c4
        080a0a0a0a0a0a0a0ac4080b0b0b0b0b0b0b0b
        """,
    ),
)
"""Those of the DHT that say which peer records need not be sent."""
