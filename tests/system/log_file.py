"""Reads the framing of a transaction log (docs/formats.md), independently of the server's code."""

import pathlib
import struct

HEADER_BYTES = 16
HEAD_BYTES = 12  # checksum and length


def records(path):
    """(offset, bytes) of each record in the file, framing included."""
    data = pathlib.Path(path).read_bytes()
    assert data[:4] == b"ZKLG", f"{path} is no log"
    found, at = [], HEADER_BYTES
    while at + HEAD_BYTES <= len(data):
        checksum, length = struct.unpack_from(">qi", data, at)
        if length == 0 and checksum == 0:
            break
        end = at + HEAD_BYTES + length + 1
        assert length > 0 and end <= len(data) and data[end - 1] == ord("B"), f"{path}: a broken record at {at}"
        found.append((at, end - at))
        at = end
    return found


def log_files(version_folder):
    """The log files of a directory with records in them, oldest first."""
    logs = sorted(pathlib.Path(version_folder).glob("log.*"), key=lambda log: int(log.suffix[1:], 16))
    return [log for log in logs if records(log)]
