#!/usr/bin/env python3
"""Reads .ult streams by ul-stream(5) alone: shares no code with the tools.

usage: read_stream.py [--quiet] FILE...

Every frame is cut out by the seek table, decompressed by `zstd -dc`, and parsed as
one safetensors document; counts, sizes, offsets, checksums and hashes are compared.
Prints a listing; exits with 1 and says why where a file is not a stream.
"""

import json
import struct
import subprocess
import sys

ELEMENT = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
           "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8}
MASK = (1 << 64) - 1


class Broken(Exception):
    pass


def need(condition, *what):
    if not condition:
        raise Broken(" ".join(str(w) for w in what))


def xxh64(data):
    """XXH64 with seed 0, from its specification."""
    p1, p2, p3 = 11400714785074694791, 14029467366897019727, 1609587929392839161
    p4, p5 = 9650029242287828579, 2870177450012600261

    def rotate(x, bits):
        return ((x << bits) | (x >> (64 - bits))) & MASK

    def mix(lane, x):
        return rotate((lane + x * p2) & MASK, 31) * p1 & MASK

    at, size = 0, len(data)
    if size >= 32:
        lanes = [(p1 + p2) & MASK, p2, 0, -p1 & MASK]
        for words in struct.iter_unpack("<4Q", data[:size // 32 * 32]):
            lanes = [mix(lane, x) for lane, x in zip(lanes, words)]
        h = sum(rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            h = ((h ^ mix(0, lane)) * p1 + p4) & MASK
        at = size // 32 * 32
    else:
        h = p5
    h = (h + size) & MASK
    while at + 8 <= size:
        h = (rotate(h ^ mix(0, struct.unpack_from("<Q", data, at)[0]), 27) * p1 + p4) & MASK
        at += 8
    if at + 4 <= size:
        h = (rotate(h ^ (struct.unpack_from("<I", data, at)[0] * p1 & MASK), 23) * p2 + p3) & MASK
        at += 4
    for byte in data[at:]:
        h = rotate(h ^ (byte * p5 & MASK), 11) * p1 & MASK
    h = (h ^ (h >> 33)) * p2 & MASK
    h = (h ^ (h >> 29)) * p3 & MASK
    return h ^ (h >> 32)


def end_frame(data):
    """Size of the end frame, its totals, and its table of (offset, size, users, hash)."""
    need(len(data) >= 64, "too short for an end frame")
    size, magic = struct.unpack("<I4s", data[-8:])
    need(magic == b"ulE\n", "no end frame: truncated")
    need(64 <= size <= len(data), "the end frame's size is", size)
    frame = data[-size:]
    skippable, content, own, version, count, total, whole = struct.unpack_from("<II8sQQQQ", frame)
    need(skippable == 0x184D2A5E and content == size - 8, "no skippable frame at the end")
    need(own == b"ul-ends\n" and version == 1, "end frame magic or version", own, version)
    need(size == 64 + 32 * count, count, "documents in", size, "bytes")
    need(xxh64(frame[:-16]) == struct.unpack_from("<Q", frame, size - 16)[0], "end frame: hash")
    table = [struct.unpack_from("<QQQQ", frame, 48 + 32 * i) for i in range(count)]
    need(sum(entry[1] for entry in table) == total, "end frame: sizes do not add up")
    return size, whole, table


def unique(pairs):
    need(len({key for key, _ in pairs}) == len(pairs), "a name twice in the header")
    return dict(pairs)


def parse(document):
    """Metadata, and {name: (dtype, shape, bytes)} in order of the data."""
    need(len(document) >= 8, "no safetensors document")
    length = struct.unpack_from("<Q", document)[0]
    need(2 <= length <= min(100_000_000, len(document) - 8), "header of", length, "bytes")
    header = document[8:8 + length].decode("utf-8")
    need(header.startswith("{") and length % 8 == 0, "header does not begin with { or is not padded")
    header = json.loads(header, object_pairs_hook=unique)
    metadata = header.pop("__metadata__", {})
    need(all(isinstance(value, str) for value in metadata.values()), "metadata that is no string")
    data, end, tensors = document[8 + length:], 0, {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = entry["data_offsets"]
        count = 1
        for extent in entry["shape"]:
            count *= extent
        need(first == end and last - first == count * ELEMENT[entry["dtype"]], "offsets of", name)
        need(first % ELEMENT[entry["dtype"]] == 0, name, "is not aligned")
        tensors[name] = (entry["dtype"], entry["shape"], data[first:last])
        end = last
    need(end == len(data), "data of", len(data), "bytes, not", end)
    return metadata, tensors


def read(path):
    """The documents of a stream, each checked; all of them, with their users."""
    with open(path, "rb") as file:
        data = file.read()
    size, whole, table = end_frame(data)
    bounds = [entry[0] for entry in table] + [len(data) - size]
    need(bounds[0] == 0, "the first frame begins at", bounds[0])
    documents = []
    everything = bytearray()
    for (_, decompressed, users, digest), first, last in zip(table, bounds, bounds[1:]):
        frame = data[first:last]
        need(xxh64(frame) == digest, "frame at", first, "is damaged")
        need(frame[:4] == b"\x28\xb5\x2f\xfd" and frame[4] & 4 and frame[4] & 0xE0, "frame header at", first)
        done = subprocess.run(["zstd", "-dc"], input=frame, stdout=subprocess.PIPE, check=False)
        need(done.returncode == 0 and len(done.stdout) == decompressed, "zstd at", first)
        everything += done.stdout
        documents.append((*parse(done.stdout), users))
    need(xxh64(bytes(everything)) == whole, "the hash of the whole")
    return documents


def check_users(documents):
    """What the kinds with users promise: as many as announced, in order of the table."""
    announced = documents[0][0].get("ul.users")
    found = 0
    for metadata, tensors, users in documents:
        has = tensors["user.offsets"][1][0] - 1 if "user.offsets" in tensors else 0
        need(has == users, "the seek table says", users, "users, the document", has)
        found += has
    need(announced is None or found == int(announced), found, "users, not", announced)


def main():
    quiet = "--quiet" in sys.argv[1:]
    for path in [word for word in sys.argv[1:] if word != "--quiet"]:
        try:
            documents = read(path)
            need(documents, "no document")
            check_users(documents)
        except (Broken, KeyError, ValueError, TypeError, struct.error) as error:
            sys.exit(f"{path}: {error}")
        for metadata, tensors, users in documents:
            if quiet:
                continue
            print(metadata.get("ul.kind"), f"({users} users)")
            for key, value in metadata.items():
                print(f"  {key} = {value}")
            for name, (dtype, shape, _) in tensors.items():
                print(f"  {name} {dtype} {shape}")
        print(f"{path}: ok, {len(documents)} documents")


if __name__ == "__main__":
    main()
