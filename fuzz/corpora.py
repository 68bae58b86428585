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

FUZZERS = ("acl", "admin", "coding", "config", "quorum", "schedule", "session", "storage", "wire")
INPUT_BYTES_MAX = 4096

# wire_fuzz's decoders of client frames, by operation.
WIRE_DECODERS = {
    1: 12, 15: 12, 19: 12, 21: 28, 2: 13, 13: 13, 3: 14, 4: 14, 8: 14, 12: 14, 5: 15, 9: 16, 7: 20,
    6: 21, 103: 21, 104: 21, 100: 22, 14: 23, 22: 24, 16: 27,
}
CONNECT_REQUEST, CONNECT_RESPONSE, TXN, BODY, PACKET, HELLO, NOTIFICATION = 10, 11, 0, 1, 2, 3, 4
STAT, WATCH_EVENT, FILL_END, EXTENSION, FILL_ASK = 17, 18, 19, 25, 26
REQUEST_HEADER, REPLY_HEADER, TXN_HEADER, ADDRESS, QUOTA = 29, 30, 31, 32, 33
DATA_DECODERS = {11: 5, 16: 5, 1: 6, 5: 7, 6: 8}  # of packets' data, by packet type
REVALIDATE_ANSWER = 9
STAT_BYTES = 68


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
                    corpora.add("wire", bytes([REQUEST_HEADER]) + body[:8])
                    if operation in WIRE_DECODERS:
                        corpora.add("wire", bytes([WIRE_DECODERS[operation]]) + body[8:])
                    conversation += bytes([0xB0 | client, xid & 0xFF, operation & 0xFF])
                    conversation += bytes([len(body[8:263])]) + body[8:263] + bytes([0x10 | client, 3])
                elif len(body) >= 16:
                    corpora.add("wire", bytes([REPLY_HEADER]) + body[:16])
                    if body[:4] == b"\xff\xff\xff\xff":
                        corpora.add("wire", bytes([WATCH_EVENT]) + body[16:])
                    elif len(body) >= 16 + STAT_BYTES:
                        corpora.add("wire", bytes([STAT]) + body[-STAT_BYTES:])
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
        if kind == 6 and len(body) == 9:
            corpora.add("wire", bytes([REVALIDATE_ANSWER]) + body)
        if kind in (2, 8):
            corpora.add("wire", bytes([TXN]) + body)
        conversation += b"".join(bytes([0x00, len(packet[i:i + 255])]) + packet[i:i + 255]
                                 for i in range(0, len(packet), 255))
        at = end
        if kind == 15:  # a snapshot's bytes follow
            break
    for begin in range(6):
        corpora.add("quorum", bytes([begin, 0x60]) + bytes(conversation))


# What quorum_fuzz reads, piece by piece: the choice of an input, a configuration of members, and the
# bytes behind the kind of a payload that need more than zeros.
BLANK, LOOKING, PROMISE, LEADING, JOINING, FOLLOWING = range(6)
CHECKED, UNCHECKED, RECONFIG = 0x10, 0x60, 0x80


def choice(role: int, flags: int) -> int:
    """The first byte of a conversation in which the server has come as far as `role` says."""
    return next(flags | low for low in range(16) if (flags | low) % 6 == role)


def configuration(members: int, epoch: int, counter: int, observers: int = 0) -> bytes:
    return bytes([members, observers | 0x20, epoch, counter])


def said_to_quorum_port(corpora: Corpora) -> None:
    """Packets that quorum_fuzz makes itself, one of each kind in each role."""
    config = configuration(0x0F, 1, 7)
    payloads = {2: bytes([1, 1, 0x1F, 1, 1, 1, 3, 1, 1, 1, 1, 1, 3]) + config,
                3: bytes([1, 0x11]) + config, 4: bytes([2, 0x15, 1, 1]) + config, 8: config,
                9: bytes([3]), 10: bytes([1, 0]) + config + bytes([0])}
    for role in range(6):
        link = 3 if role in (JOINING, FOLLOWING) else 0
        # What is checked costs a recovery each time.
        for flags, kinds in ((CHECKED, (0, 1, 2, 3, 4, 5, 6, 7)), (UNCHECKED | RECONFIG, (2, 3, 4, 8, 9, 10))):
            begin = bytes([choice(role, flags), 0x60])
            for kind in range(22):
                for payload in kinds:
                    rest = payloads.get(payload, bytes([1, 1, 0, 0]))
                    corpora.add("quorum", begin + bytes([0x10 | link, kind, 2, 1, payload]) + rest)
        for members in (0x07, 0x1E, 0x04):
            text = configuration(members, 1, 6)
            for kind in (0x18, 0x38, 0x50, 0x70):  # a txn that changes the ensemble
                entry = bytes([0xF0 | link, kind]) + text + bytes([1])
                corpora.add("quorum", begin + entry + b"\xE8\x80\xFF\xC0\xD0")
            notifications(corpora, begin, text)


def notifications(corpora: Corpora, begin: bytes, text: bytes) -> None:
    """Votes, for nobody (4) too, with configurations that are committed (8) and pending (0x11)."""
    for state in range(4):
        for what, extension in ((0, 0), (4, 1), (8, 0), (12, 1), (0, 0x11), (4, 0x11), (8, 0x11)):
            said = b""
            for voter in range(2):
                said += bytes([0x40 | voter, state | what, 4, 1, 5, 1, 1])
                said += (text if what & 8 else b"") + bytes([extension])
                said += text if extension & 0x10 else b""
            corpora.add("quorum", begin + said + b"\x80\xFF\x40\x40")


def changes_of_ensembles(corpora: Corpora) -> None:
    """Clients of a leader ask for other members, and the old ones acknowledge it."""
    acks = b"".join(bytes([0x10, 2, 2, counter, 0]) for counter in range(1, 5))
    for members in (0x07, 0x0F, 0x1E, 0x05):
        for what in (0, 1, 2, 4, 8, 16):
            request = bytes([0x10, 0, 0, 0, 10, 1, what]) + configuration(members, 1, 7) + bytes([1])
            corpora.add("quorum", bytes([choice(LEADING, UNCHECKED | RECONFIG)]) + request + acks +
                        b"\x80\x20" + request + acks + b"\x80\xFF")


def schedules(corpora: Corpora) -> None:
    """What schedule_fuzz makes of a seed: no faults, one of them, and several with some of its choices."""
    for kind in range(3):
        for seed in range(4):
            begin = bytes([kind, seed])
            corpora.add("schedule", begin)
            corpora.add("schedule", begin + bytes([0, 0, seed, 0, 0, 0]))
            faults = b"".join(bytes([0, 0, n, 0, 0, 0]) for n in range(0, 20, 3))
            choices = b"".join(bytes([5, n, 37 * n % 256, 0, 0, 0]) for n in range(12))
            corpora.add("schedule", begin + faults + choices)


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
    corpora.add("storage", bytes([5, 0]) + trailer(3))
    for name in ("log.100000001", "snapshot.0", "snapshot.1f.gz", "snapshot.ffffffff.snappy", "spare.12"):
        corpora.add("storage", bytes([6, 0]) + name.encode())
    for frontier in range(12):
        for what in (0x20, 0x01, 0x02, 0xFF):
            corpora.add("storage", bytes([7, frontier, what, 3, 0x80]))
            corpora.add("storage", bytes([7, frontier, 0x40, 2, 0x40, what, 8, 0x80]))
    compressed_texts(corpora)


def compressed_texts(corpora: Corpora) -> None:
    """Short ones, so that a damaged byte is often one that matters."""
    text = b"short" * 9
    stored, packed = (gzip.compress(text, level, mtime=0) for level in (0, 9))
    named = packed[:3] + b"\x08" + packed[4:10] + b"name\0" + packed[10:]
    for stream in (stored, packed, packed + stored, named, gzip.compress(b"", mtime=0)):
        corpora.add("coding", bytes([0, 9]) + stream)
    # The text's length, a literal of five bytes, and forty from five before.
    block = bytes([len(text), 4 << 2]) + b"short" + bytes([39 << 2 | 2, 5, 0])
    block = struct.pack(">I", len(block)) + block
    head = b"\x82SNAPPY\0" + struct.pack(">II", 1, 1)
    for blocks in (b"", block, block * 3):
        corpora.add("coding", bytes([1, 9]) + head + blocks)


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def trailer(counter: int) -> bytes:
    """As docs/formats.md has it."""
    zxid = 1 << 32 | counter
    head = struct.pack(">IBBHIIQQQQIIQQQQ", 0x56765472, 1, 0, 0, 5, 6, zxid - 1, zxid - 1, 7, 16, 0, 0, 0, 0, 0, 0)
    return head + struct.pack(">I", crc32c(head))


def own_wire(corpora: Corpora) -> None:
    """What only our own servers say: extensions and the filling of a damaged leader; and texts."""
    logs = struct.pack(">QI", 7, 1)
    remembered = logs + struct.pack(">Iq", 2, 2 << 32 | 5)
    fault = struct.pack(">qq", 1 << 32 | 3, 1 << 32 | 5)
    config = b"server.1=s1:2888:3888:participant\nversion=100000007"
    parts = {1: fault, 2: remembered, 4: logs, 8: struct.pack(">i", len(config)) + config}
    for flags in range(16):
        body = b"".join(part for bit, part in parts.items() if flags & bit)
        extension = struct.pack(">IBBH", 0x56765078, 1, flags, flags & 1) + body
        corpora.add("wire", bytes([EXTENSION]) + extension)
    ask = struct.pack(">q", 1 << 32 | 3)
    for decoder, kind, data in ((FILL_ASK, 0x56760001, ask), (FILL_END, 0x56760003, ask + bytes(3) + b"\1")):
        packet = struct.pack(">iqi", kind, 1 << 32 | 5, len(data)) + data + b"\xff" * 4
        corpora.add("wire", bytes([decoder]) + packet)
    for text in ("localhost:2181", "[::1]:65535", "10.0.0.1:1", "[a]:0", "a:b:c"):
        corpora.add("wire", bytes([ADDRESS]) + text.encode())
    for text in ("count=5,bytes=-1", "count=1,bytes=2=;byteHardLimit=7;countHardLimit=9", "", "a=;b=1="):
        corpora.add("wire", bytes([QUOTA]) + text.encode())


def log_records(corpora: Corpora, data: bytes) -> None:
    at = 16
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">i", data, at + 8)
        if not 0 < size <= len(data) - at - 12:
            return
        entry = data[at + 12:at + 12 + size]
        corpora.add("wire", bytes([TXN]) + entry)
        corpora.add("wire", bytes([TXN_HEADER]) + entry[:32])
        corpora.add("wire", bytes([BODY]) + entry[31:32] + entry[32:-12])
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
    digest = 'Server {\n  org.apache.zookeeper.server.auth.DigestLoginModule required\n  user_bob="x";\n};\n'
    kerberos = ('Server { com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true '
                'keyTab="/k" storeKey=true principal="zookeeper/h@R"; };')
    rules = ("DEFAULT", "RULE:[1:$1@$0](.*@REALM)s/@.*//", "RULE:[2:$1](a.*b)s/[a-c]+/x/g\nDEFAULT", "RULE:[1:$1]")
    for jaas in (digest, kerberos, "Client { };" + digest):
        for rule in rules:
            for principal in ("bob@REALM", "bob/host@REALM", "alb/h@OTHER", "bob"):
                corpora.add("config", f"{base}\0\0\0\0{jaas}\0{rule}\0{principal}".encode())
                corpora.add("config", f"{base}security.auth_to_local={rule}\n".encode())


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
    for body in ('{"percentage": 50}', '{"a":"b", "c": 1.5, "d":true}', "{}", '{"percentage":'):
        request = f"POST /commands/shed HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        corpora.add("admin", b"\0" + request.encode())
        corpora.add("admin", bytes([1, 0, 0x00, len(request)]) + request.encode() + b"\x60\x60")


def main() -> None:
    source, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    golden = source / "tests" / "golden"
    corpora = Corpora(output)
    client_transcripts(corpora, golden)
    quorum_transcripts(corpora, golden)
    said_to_quorum_port(corpora)
    changes_of_ensembles(corpora)
    schedules(corpora)
    own_wire(corpora)
    data_directories(corpora, golden)
    configurations(corpora, source)
    acl_lists(corpora)
    operators(corpora, source)
    corpora.write()


if __name__ == "__main__":
    main()
