"""What the index of a TensorFlow checkpoint says, before TensorFlow reads it.

TensorFlow believes an index whose checksums are right, and ends the process
where it declares a shape that cannot be. So all that it declares is compared
with the files first, in Python alone.

An index is a table: blocks of keys and values, a block of where these are, and
48 bytes of where that one is.
"""

import os
from collections.abc import Iterator

import numpy as np

FOOTER = 48
MAGIC = 0xDB4775248B80FB57.to_bytes(8, "little")
TRAILER = 5  # After each block: how it is compressed, and a checksum.
MOST_SHARDS = 10_000
MOST_AXES = 8
STRING = 7  # `DT_STRING`, whose elements have no one size.
# Bytes of a number, by `DataType`: floats, integers, bool. TensorFlow ends the
# process for some that it does not store.
WIDTHS = {
    **{1: 4, 2: 8, 3: 4, 4: 1, 5: 2, 6: 1, 9: 8, 10: 1},
    **{14: 2, 17: 2, 19: 2, 22: 4, 23: 8},
}


class UnreadableError(Exception):
    """Something that no index says."""


def check_bundle(prefix: str) -> None:
    """Compares a checkpoint's index with its files, reading no array.

    Args:
        prefix: str, of its files.

    Raises:
        ValueError: an index that cannot be read, or all arrays whose
            declared shape, type or place cannot be.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import tensor_bundle_pb2 as messages

    index = f"{prefix}.index"
    try:
        with open(index, "rb") as file:
            entries = dict(_entries(file.read()))
        header = messages.BundleHeaderProto.FromString(entries.pop(b"", b""))
        shards = _sizes_of_shards(prefix, header.num_shards)
        problems = []
        for name, value in entries.items():
            problem = _problem(
                messages.BundleEntryProto.FromString(value), shards
            )
            if problem:
                problems.append(f"{name.decode('utf-8', 'replace')} {problem}")
    except (UnreadableError, IndexError, OSError, DecodeError) as error:
        raise ValueError(
            f"'{index}' cannot be read as a TensorFlow checkpoint's index: "
            f"{error}. It may be cut short; fetch it again."
        ) from error
    if problems:
        more = f"\n  and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ValueError(
            f"'{index}' does not describe the files beside it:\n  "
            + "\n  ".join(problems[:5])
            + more
        )


def _problem(entry, shards):
    """A sentence on what an entry declares, or `None`."""
    sizes = [axis.size for axis in entry.shape.dim]
    shape = str(tuple(sizes[:MOST_AXES]))
    if entry.slices or entry.shape.unknown_rank:
        return "is kept in slices, or has no shape"
    if len(sizes) > MOST_AXES or any(size < 0 for size in sizes):
        return f"has the shape {shape}"
    if not 0 <= entry.shard_id < len(shards):
        return f"lies in file {entry.shard_id} of {len(shards)}"
    size = shards[entry.shard_id]
    if not 0 <= entry.offset <= entry.offset + entry.size <= size:
        return (
            f"lies in bytes {entry.offset} to {entry.offset + entry.size} of "
            f"{size}"
        )
    count = 1
    for axis in sizes:
        count *= axis
    if entry.dtype == STRING:
        # Each has its length before it.
        return None if count <= entry.size else f"has the shape {shape}"
    width = WIDTHS.get(entry.dtype)
    if width is None:
        return f"is of type {entry.dtype}, which is not read"
    if count * width != entry.size:
        return (
            f"has the shape {shape}, {count * width} bytes, and "
            f"{entry.size} in the file"
        )
    return None


def _sizes_of_shards(prefix, number):
    if not 0 < number <= MOST_SHARDS:
        raise UnreadableError(f"it has {number} files of data")
    paths = [f"{prefix}.data-{i:05}-of-{number:05}" for i in range(number)]
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise UnreadableError(f"there is no {os.path.basename(missing[0])}")
    return [os.path.getsize(path) for path in paths]


# Reading the table


def _entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields all keys and values."""
    if len(content) < FOOTER or content[-8:] != MAGIC:
        raise UnreadableError("its last bytes are not those of an index")
    footer = content[-FOOTER:]
    _, at = _number(footer, 0)
    _, at = _number(footer, at)
    offset, at = _number(footer, at)
    size, _ = _number(footer, at)
    for _, handle in _block(content, offset, size):
        offset, at = _number(handle, 0)
        size, _ = _number(handle, at)
        yield from _block(content, offset, size)


def _block(content, offset, size):
    end = offset + size
    if size < 8 or end + TRAILER > len(content):
        raise UnreadableError(f"a block lies in bytes {offset} to {end}")
    if content[end]:
        raise UnreadableError("it is compressed")
    block = content[offset:end]
    restarts = int(np.frombuffer(block[-4:], "<u4")[0])
    end, at, key = len(block) - 4 - 4 * restarts, 0, b""
    if end < 0:
        raise UnreadableError(f"a block of {size} bytes has {restarts} parts")
    while at < end:
        shared, at = _number(block, at)
        own, at = _number(block, at)
        length, at = _number(block, at)
        if shared > len(key) or at + own + length > end:
            raise UnreadableError("an entry is longer than its block")
        key = key[:shared] + block[at : at + own]
        at += own
        yield key, block[at : at + length]
        at += length


def _number(data, at):
    """A number in groups of seven bits, and where it ends."""
    number = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise UnreadableError("a number in it does not end")
