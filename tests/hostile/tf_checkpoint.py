"""Hostile checkpoints of TensorFlow's, whose checksums are right."""

import struct

import numpy as np
from tensorflow.core.protobuf import tensor_bundle_pb2
from tensorflow.core.protobuf import trackable_object_graph_pb2

from tests.hostile.mutation import EITHER
from tests.hostile.mutation import REFUSED
from tests.hostile.mutation import SAME
from tests.hostile.mutation import changed

GRAPH = b"_CHECKPOINTABLE_OBJECT_GRAPH"
MAGIC = 0xDB4775248B80FB57
_TABLE = []
for _i in range(256):
    for _ in range(8):
        _i = (_i >> 1) ^ (0x82F63B78 if _i & 1 else 0)
    _TABLE.append(_i)


def masked_crc(data):
    """CRC-32C, as TensorFlow stores it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


def block_entries(block):
    (restarts,) = struct.unpack("<I", block[-4:])
    end, at, key = len(block) - 4 - 4 * restarts, 0, b""
    while at < end:
        shared, at = read_varint(block, at)
        own, at = read_varint(block, at)
        size, at = read_varint(block, at)
        key = key[:shared] + block[at : at + own]
        at += own
        yield key, block[at : at + size]
        at += size


def read_table(content):
    """Returns dict of key to value."""
    footer = content[-48:]
    _, at = read_varint(footer, 0)
    _, at = read_varint(footer, at)
    offset, at = read_varint(footer, at)
    size, at = read_varint(footer, at)
    entries = {}
    for _, handle in block_entries(content[offset : offset + size]):
        begin, at = read_varint(handle, 0)
        length, _ = read_varint(handle, at)
        entries |= dict(block_entries(content[begin : begin + length]))
    return entries


def write_table(entries):
    out = b""

    def block(pairs):
        nonlocal out
        body = b"".join(
            varint(0) + varint(len(k)) + varint(len(v)) + k + v
            for k, v in pairs
        ) + struct.pack("<II", 0, 1)
        handle = varint(len(out)) + varint(len(body))
        out += body + b"\0" + struct.pack("<I", masked_crc(body + b"\0"))
        return handle

    pairs = sorted(entries.items())
    data = block(pairs)
    meta = block([])
    index = block([(pairs[-1][0] + b"\xff", data)])
    return out + (meta + index).ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def entry_of(value):
    return tensor_bundle_pb2.BundleEntryProto.FromString(value)


def entries(sample, prefix):
    """What describes the arrays lies."""
    file = f"{prefix}.index"
    table = read_table(sample[file])
    name = next(
        key
        for key, value in table.items()
        if key and len(entry_of(value).shape.dim) == 2
    )

    def with_entry(kind, change, want=REFUSED):
        entry = entry_of(table[name])
        change(entry)
        content = write_table(table | {name: entry.SerializeToString()})
        return changed(sample, file, content, kind, change.__name__, want)

    def with_header(change):
        header = tensor_bundle_pb2.BundleHeaderProto.FromString(table[b""])
        change(header)
        content = write_table(table | {b"": header.SerializeToString()})
        return changed(sample, file, content, "header", change.__name__)

    def shape(*sizes):
        def change(entry):
            del entry.shape.dim[:]
            for size in sizes:
                entry.shape.dim.add(size=size)

        change.__name__ = f"shape {sizes}"[:60]
        return change

    def field(field, value):
        def change(message):
            setattr(message, field, value)

        change.__name__ = f"{field} = {value}"
        return change

    def flat(entry):
        sizes = [axis.size for axis in entry.shape.dim]
        del entry.shape.dim[:]
        entry.shape.dim.add(size=int(np.prod(sizes)))

    def unknown_rank(entry):
        entry.shape.unknown_rank = True

    def slices(entry):
        part = entry.slices.add()
        part.extent.add(start=0, length=10**9)

    yield changed(sample, file, write_table(table), "nothing", "", SAME)
    for sizes in (
        (10**9, 10**9),
        (10**9,),
        (-1, 24),
        (-(2**62),),
        (2**62, 2**62),
        (2**31, 2**32),
        (1,) * 300,
        (0, 24),
        (2**40,),
    ):
        yield with_entry("declared shape", shape(*sizes))
    yield with_entry("declared shape", unknown_rank)
    yield with_entry("misshapen", flat)
    yield with_entry("slices", slices)
    for value in (2, 3, 7, 14, 23, 0, 127, 101):
        yield with_entry("wrong dtype", field("dtype", value))
    for value in (2**62, -8, 10**12):
        yield with_entry("declared place", field("offset", value))
    for value in (2**62, 0, 4, 10**12):
        yield with_entry("declared size", field("size", value))
    for value in (1, 2**31 - 1, -1):
        yield with_entry("declared shard", field("shard_id", value))
    yield with_entry("checksum", field("crc32c", 7))
    for value in (0, 2**31 - 1, -1, 2):
        yield with_header(field("num_shards", value))
    yield with_header(field("endianness", 1))
    del table[name]
    yield changed(sample, file, write_table(table), "missing name", str(name))


def graphs(sample, prefix, generator, count):
    """The graph of objects, whose checksum and place are made right."""
    index, data = f"{prefix}.index", f"{prefix}.data-00000-of-00001"
    table = read_table(sample[index])
    entry = entry_of(table[GRAPH])
    # A string: its length as varint, the length's checksum, and itself.
    begin = entry.offset
    size, at = read_varint(sample[data], begin)
    stored = sample[data][at + 4 : at + 4 + size]

    def with_graph(kind, content, where, want=EITHER):
        length = struct.pack("<I", len(content))
        checksum = masked_crc(length)
        raw = varint(len(content)) + struct.pack("<I", checksum) + content
        new = entry_of(table[GRAPH])
        new.offset, new.size = len(sample[data]), len(raw)
        new.crc32c = masked_crc(length + struct.pack("<I", checksum) + content)
        harmed = {
            index: write_table(table | {GRAPH: new.SerializeToString()}),
            data: sample[data] + raw,
        }
        mutant = changed(sample, index, harmed[index], kind, where, want)
        mutant.files[data] = harmed[data]
        return mutant

    def parsed():
        message = trackable_object_graph_pb2.TrackableObjectGraph()
        message.ParseFromString(stored)
        return message

    yield with_graph("nothing", stored, "", SAME)
    yield with_graph("graph", b"", "empty", REFUSED)
    yield with_graph("graph", b"\xff" * 20, "no graph", REFUSED)
    for target in (10**6, -1, 2**31 - 1):
        message = parsed()
        for node in message.nodes:
            for child in node.children:
                child.node_id = target
        yield with_graph(
            "node out of range",
            message.SerializeToString(),
            str(target),
            REFUSED,
        )
    message = parsed()
    for node in message.nodes:
        for child in node.children:
            child.node_id = 0
    yield with_graph("cycle", message.SerializeToString(), "", REFUSED)
    message = parsed()
    for node in message.nodes:
        for attribute in node.attributes:
            attribute.checkpoint_key = "nowhere"
    yield with_graph("unknown name", message.SerializeToString(), "", REFUSED)
    message = parsed()
    keys = [a for n in message.nodes for a in n.attributes]
    for attribute in keys:
        attribute.checkpoint_key = GRAPH.decode()
    yield with_graph(
        "unknown name", message.SerializeToString(), "graph", REFUSED
    )
    for i in range(count):
        harmed = np.frombuffer(stored, np.uint8).copy()
        places = generator.integers(0, len(harmed), 3)
        harmed[places] = generator.integers(0, 256, 3)
        yield with_graph("bit-flipped graph", harmed.tobytes(), str(i))
