#!/usr/bin/env python3
"""Writes the fuzzers' first inputs, a folder for each: corpora.py SOURCE_FOLDER OUTPUT_FOLDER.

They are made of the golden data (real clients, peers and files), and of the keys of zoo.cfg and the
words of operators that the source names. What the first bytes of an input mean stands in each fuzzer.
"""
import gzip
import json
import pathlib
import re
import struct
import sys
import tarfile

FUZZERS = ("acl", "admin", "coding", "config", "quorum", "session", "storage", "wire")
INPUT_BYTES_MAX = 4096

# wire_fuzz's decoders of client frames, by operation.
WIRE_DECODERS = {
    1: 12, 15: 12, 19: 12, 21: 12, 2: 13, 13: 13, 3: 14, 4: 14, 8: 14, 12: 14, 5: 15, 9: 16, 7: 20,
    6: 21, 103: 21, 104: 21, 100: 22, 14: 23, 22: 24,
}
CONNECT_REQUEST, CONNECT_RESPONSE, TXN, PACKET, HELLO, NOTIFICATION = 10, 11, 0, 2, 3, 4
DATA_DECODERS = {11: 5, 16: 5, 1: 6, 5: 7, 6: 8}  # of packets' data, by packet type


class Corpora:
    def __init__(self, output: pathlib.Path):
        self.output = output
        self.inputs = {name: set() for name in FUZZERS}

    def add(self, fuzzer: str, data: bytes) -> None:
        self.inputs[fuzzer].add(data[:INPUT_BYTES_MAX])

    def write(self) -> None:
        for name, inputs in self.inputs.items():
            if not inputs:
                sys.exit(f"corpora.py: nothing for {name}_fuzz")
            folder = self.output / f"{name}_fuzz"
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.iterdir():
                old.unlink()
            for number, data in enumerate(sorted(inputs)):
                (folder / f"{number:05}").write_bytes(data)


def client_transcripts(corpora: Corpora, golden: pathlib.Path) -> None:
    for path in sorted((golden / "client-transcripts").glob("*.json")):
        conversation = bytearray()
        for number, connection in enumerate(json.loads(path.read_text())["connections"]):
            client = number % 4
            frames = [f for f in connection["frames"] if f["hex"]]
            for index, frame in enumerate(frames):
                body = bytes.fromhex(frame["hex"])[4:]
                to_server = frame["dir"] == "c2s"
                if index == 0:
                    corpora.add("wire", bytes([CONNECT_REQUEST]) + body)
                    conversation += bytes([client | 4])
                elif index == 1 and not to_server:
                    corpora.add("wire", bytes([CONNECT_RESPONSE]) + body)
                    conversation += bytes([0x80 | client, 0xA0 | client])
                elif to_server and len(body) >= 8:
                    xid, operation = struct.unpack(">ii", body[:8])
                    if operation in WIRE_DECODERS:
                        corpora.add("wire", bytes([WIRE_DECODERS[operation]]) + body[8:])
                    conversation += bytes([0xB0 | client, xid & 0xFF, operation & 0xFF])
                    conversation += bytes([len(body[8:263])]) + body[8:263] + bytes([0x10 | client, 3])
        corpora.add("session", bytes(conversation))


def packet_end(stream: bytes, at: int) -> int:
    """Where the QuorumPacket at `at` ends."""
    (size,) = struct.unpack_from(">i", stream, at + 12)
    end = at + 16 + max(size, 0)
    (count,) = struct.unpack_from(">i", stream, end)
    end += 4
    for _ in range(max(count, 0) * 2):
        (length,) = struct.unpack_from(">i", stream, end)
        end += 4 + max(length, 0)
    return end


def quorum_transcripts(corpora: Corpora, golden: pathlib.Path) -> None:
    for path in sorted((golden / "quorum-transcripts").glob("*.json")):
        for stream in json.loads(path.read_text()).get("streams", []):
            for direction in ("c2s", "s2c"):
                data = b"".join(bytes.fromhex(c["hex"]) for c in stream.get("chunks", [])
                                if c["dir"] == direction and "hex" in c)
                if stream["kind"] == "election":
                    election_stream(corpora, data, stream["starts_mid_connection"])
                else:
                    leader_stream(corpora, data)


def election_stream(corpora: Corpora, data: bytes, starts_in_the_middle: bool) -> None:
    piece = data[:255]
    corpora.add("quorum", bytes([1, 0x50, len(piece)]) + piece)
    at = 0
    if data[:4] == b"\xff\xff\xff\xff" and not starts_in_the_middle:
        at = 20 + struct.unpack_from(">i", data, 16)[0]
        corpora.add("wire", bytes([HELLO]) + data[:at])
    while at + 4 <= len(data):
        (size,) = struct.unpack_from(">i", data, at)
        if not 0 < size <= len(data) - at - 4:
            return
        corpora.add("wire", bytes([NOTIFICATION]) + data[at + 4:at + 4 + size])
        at += 4 + size


def leader_stream(corpora: Corpora, data: bytes) -> None:
    conversation = bytearray()
    at = 0
    while at + 20 <= len(data):
        (kind,) = struct.unpack_from(">i", data, at)
        try:
            end = packet_end(data, at)
        except struct.error:
            break
        if not 1 <= kind <= 19 or end > len(data):
            break
        packet = data[at:end]
        corpora.add("wire", bytes([PACKET]) + packet)
        (size,) = struct.unpack_from(">i", packet, 12)
        body = packet[16:16 + max(size, 0)]
        if kind in DATA_DECODERS:
            corpora.add("wire", bytes([DATA_DECODERS[kind]]) + body)
        if kind in (2, 8):
            corpora.add("wire", bytes([TXN]) + body)
        conversation += b"".join(bytes([0x00, len(packet[i:i + 255])]) + packet[i:i + 255]
                                 for i in range(0, len(packet), 255))
        at = end
        if kind == 15:  # a snapshot's bytes follow
            break
    for begin in range(6):
        corpora.add("quorum", bytes([begin, 0x60]) + bytes(conversation))


def said_to_quorum_port(corpora: Corpora) -> None:
    """Packets that quorum_fuzz makes itself, one of each kind in each role."""
    for begin in range(6):
        for kind in range(22):
            for payload in range(8):
                corpora.add("quorum", bytes([begin | 0x10, 0x60, 0x10 | (3 if begin > 3 else 0), kind, 2, 1,
                                             payload, 1, 1, 0, 0]))


def data_directories(corpora: Corpora, golden: pathlib.Path) -> None:
    for path in sorted((golden / "data").glob("*.tar.gz")):
        with tarfile.open(path) as archive:
            for member in archive.getmembers():
                if not member.isfile():
                    continue
                data = archive.extractfile(member).read()
                name = pathlib.PurePath(member.name).name
                if name.startswith("log."):
                    corpora.add("storage", bytes([0, 63]) + data[:INPUT_BYTES_MAX - 2])
                    log_records(corpora, data)
                elif name.endswith(".gz"):
                    corpora.add("coding", bytes([0, 200]) + data)
                elif name.endswith(".snappy"):
                    corpora.add("coding", bytes([1, 200]) + data)
                elif name.startswith("snapshot."):
                    corpora.add("storage", bytes([2, 63]) + data)
                    corpora.add("storage", bytes([1, 63]) + data[16:])
                elif name.endswith("Epoch"):
                    corpora.add("storage", bytes([4, 0]) + data)
    corpora.add("storage", bytes([3, 0]) + bytes(512))
    corpora.add("coding", bytes([0, 9]) + gzip.compress(b"short" * 9, mtime=0))


def log_records(corpora: Corpora, data: bytes) -> None:
    at = 16
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">i", data, at + 8)
        if not 0 < size <= len(data) - at - 12:
            return
        corpora.add("wire", bytes([TXN]) + data[at + 12:at + 12 + size])
        at += 13 + size


def configurations(corpora: Corpora, source: pathlib.Path) -> None:
    text = "".join((source / "core" / name).read_text()
                   for name in ("config.cc", "config_keys.cc", "config_sources.cc"))
    keys = sorted(set(re.findall(r'"([a-z][A-Za-z_]*(?:\.[A-Za-z_]+)*)"', text)))
    base = "dataDir=/data\nclientPort=2181\ntickTime=2000\n"
    members = "".join(f"server.{n}=h{n}:2888:3888\n" for n in (1, 2, 3))
    ensemble = base + "initLimit=10\nsyncLimit=5\n" + members
    corpora.add("config", base.encode())
    corpora.add("config", (ensemble + "\0" + "2").encode())
    corpora.add("config", (base + "dynamicConfigFile=/d\n\0" "1\0" + members + "version=0\n").encode())
    for key in keys:
        for value in ("true", "0", "-1", "7", "yes", "/path"):
            corpora.add("config", (base + f"{key}={value}\n").encode())
        corpora.add("config", (base + f"\0\0\0-Dzookeeper.{key}=1 -X").encode())


def acl_lists(corpora: Corpora) -> None:
    digest = "digest:bob:hash="
    entries = ("world:anyone:cdrwa", digest + ":rw", "auth::cdrwa", "ip:10.0.0.0/8:r", "ip:::1:rw",
               "ip:2001:db8::1/64:a", "sasl:svc/host@REALM:r", "sasl:user:cdrwa", "x509:CN=a,O=b:r",
               "super:x:r", "digest:a:", "world:anyone:", "world:anyone:xyz", "nothing", "::::")
    for choice in range(16):
        for who in ("", digest, "ip:10.1.2.3 " + digest, "ip:2001:db8::7", "sasl:svc/host@REALM", '"x509:CN=a,O=b"'):
            for entry in entries:
                corpora.add("acl", bytes([choice]) + f"{who}\n{entry},world:anyone:r".encode())


def operators(corpora: Corpora, source: pathlib.Path) -> None:
    text = "".join(p.read_text() for p in sorted((source / "core" / "server").glob("admin_*.cc")))
    words = sorted(set(re.findall(r'"([a-z_]{3,32})"', text)))
    for word in words:
        request = f"GET /commands/{word}?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"
        corpora.add("admin", b"\0" + request.encode())
        command = word.encode()[:31]
        for door in range(3):
            corpora.add("admin", bytes([1, door * 4, 0x20 | door * 4, len(command)]) + command + b"\x60\x60")
        corpora.add("admin", bytes([1, 8, 0x08, len(command[:4])]) + command[:4] + b"\x68\x68")


def main() -> None:
    source, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    golden = source / "tests" / "golden"
    corpora = Corpora(output)
    client_transcripts(corpora, golden)
    quorum_transcripts(corpora, golden)
    said_to_quorum_port(corpora)
    data_directories(corpora, golden)
    configurations(corpora, source)
    acl_lists(corpora)
    operators(corpora, source)
    corpora.write()


if __name__ == "__main__":
    main()
