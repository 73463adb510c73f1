"""Bytes on a stream and messages: frame header, message types, codec, application values."""

from macula.wire.codec import Decoded, Decoder, encode
from macula.wire.messages import MESSAGES, Message
from macula.wire.values import decode_value, encode_value

__all__ = ["MESSAGES", "Decoded", "Decoder", "Message", "decode_value", "encode", "encode_value"]
