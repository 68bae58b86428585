"""A client of the bare protocol, for what libraries do not do: vanish without closing, send nonsense."""

import socket
import struct

OP_CREATE, OP_GET_DATA, OP_PING, OP_CLOSE = 1, 4, 11, -11
OPEN_ACL = struct.pack(">ii", 1, 31) + b"\0\0\0\x05world" + b"\0\0\0\x06anyone"


def text(value):
    encoded = value.encode()
    return struct.pack(">i", len(encoded)) + encoded


class RawSession:
    """One connection with a session. Every read has a deadline; None stands for a closed connection."""

    def __init__(self, port, timeout_ms=1000, session=0, password=b"\0" * 16, host="127.0.0.1", wait=True,
                 source=None):
        """`wait=False`: established() has to follow, so that many can be opened at once."""
        self.socket = socket.create_connection((host, port), timeout=20, source_address=source and (source, 0))
        self.xid = 0
        self.send(struct.pack(">iqiq", 0, 0, timeout_ms, session) + struct.pack(">i", len(password)) + password + b"\0")
        if wait:
            self.established()

    def established(self):
        answer = self.receive()
        if answer is None:
            self.drop()
            raise ConnectionError("no answer to the connect request")
        _, self.timeout_ms, self.session = struct.unpack(">iiq", answer[:16])
        self.password = answer[20:36]

    def send(self, payload):
        self.socket.sendall(struct.pack(">i", len(payload)) + payload)

    def receive_exactly(self, count):
        got = b""
        while len(got) < count:
            try:
                more = self.socket.recv(count - len(got))
            except ConnectionResetError:
                return None
            if not more:
                return None
            got += more
        return got

    def receive(self):
        head = self.receive_exactly(4)
        return None if head is None else self.receive_exactly(struct.unpack(">i", head)[0])

    def request(self, op, body=b""):
        """Returns (zxid, error, rest), or None when the connection was closed."""
        self.xid += 1
        self.send(struct.pack(">ii", self.xid, op) + body)
        answer = self.receive()
        if answer is None:
            return None
        xid, zxid, error = struct.unpack(">iqi", answer[:16])
        assert xid == self.xid, f"answer to {xid}, asked {self.xid}"
        return zxid, error, answer[16:]

    def create(self, path, data=b"", flags=0):
        return self.request(OP_CREATE, text(path) + struct.pack(">i", len(data)) + data + OPEN_ACL
                            + struct.pack(">i", flags))

    def drop(self):
        """The connection ends; the session does not."""
        self.socket.close()
