"""Messages between the parent, the fork server and its children: JSON with a length before it."""

from __future__ import annotations

import json
import os
import struct
from typing import Any

HEADER = struct.Struct("!I")


def pack(message: dict[str, Any]) -> bytes:
    """One message as bytes."""
    body = json.dumps(message).encode()
    return HEADER.pack(len(body)) + body


def send(channel: int, message: dict[str, Any]) -> None:
    """Write one message to a pipe, whole."""
    data = pack(message)
    while data:
        data = data[os.write(channel, data) :]


class Unpacker:
    """Cuts a byte stream into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that these bytes complete."""
        self._buffer += data
        messages = []
        while len(self._buffer) >= HEADER.size:
            (length,) = HEADER.unpack_from(self._buffer)
            if len(self._buffer) < HEADER.size + length:
                break
            messages.append(json.loads(bytes(self._buffer[HEADER.size : HEADER.size + length])))
            del self._buffer[: HEADER.size + length]
        return messages
