"""Hostile safetensors files, whole and in shards."""

import json

import numpy as np

from tests.hostile.mutation import EITHER
from tests.hostile.mutation import REFUSED
from tests.hostile.mutation import SAME
from tests.hostile.mutation import Link
from tests.hostile.mutation import changed


def parts(content):
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def joined(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def headers(sample, file):
    """What describes the arrays lies."""
    header, data = parts(sample[file])
    names = [name for name in header if name != "__metadata__"]
    name = next(n for n in names if len(header[n]["shape"]) == 2)
    other = next(n for n in names if n != name)
    entry = header[name]
    begin, end = entry["data_offsets"]
    huge = 2**62

    def with_entry(kind, want=REFUSED, **changes):
        harmed = {**header, name: {**entry, **changes}}
        return changed(
            sample, file, joined(harmed, data), kind, str(changes)[:60], want
        )

    for shape in (
        [10**9],
        [-1, -24],
        [-3],
        [2**63],
        [2**64 + 1],
        [huge, huge],
        [2**32, 2**32],
        [1.5],
        ["3"],
        None,
        entry["shape"] + [0],
        [1] * 100_000,
    ):
        yield with_entry("declared shape", shape=shape)
    for offsets in (
        [0, huge],
        [-8, 8],
        [end, begin],
        [begin, end + 4],
        header[other]["data_offsets"],
        [begin],
        "0:4",
    ):
        yield with_entry("declared place", data_offsets=offsets)
    for dtype in ("F64", "BF16", "I32", "U8", "F8_E4M3", "Q4", 7, None, "O"):
        yield with_entry("wrong dtype", dtype=dtype)
    count = int(np.prod(entry["shape"]))
    yield with_entry("misshapen", shape=[count])
    yield with_entry("misshapen", shape=entry["shape"][::-1])
    without = {n: v for n, v in header.items() if n != name}
    yield changed(
        sample, file, joined(without, data), "missing name", name, REFUSED
    )
    text = json.dumps(header)
    twice = f'{{"{name}": {json.dumps(entry)}, {text[1:]}'.encode()
    yield changed(
        sample, file, joined(twice, data), "duplicate name", name, REFUSED
    )
    renamed = {name + "x" if n == name else n: v for n, v in header.items()}
    yield changed(
        sample, file, joined(renamed, data), "unknown name", name, REFUSED
    )
    for size in (0, 2**63, 2**64 - 1, len(data) + 10**6, 10**8):
        lying = size.to_bytes(8, "little") + sample[file][8:]
        yield changed(sample, file, lying, "declared size", str(size))
    deep = b"[" * 100_000
    yield changed(sample, file, joined(deep, data), "deep JSON")
    bom = b"\xef\xbb\xbf" + text.encode()
    yield changed(sample, file, joined(bom, data), "byte-order mark")


def numbers(sample, file):
    """An array holds what is no number: it opens, and that is said."""
    header, data = parts(sample[file])
    for value in (np.nan, np.inf, -np.inf):
        for name in [n for n in header if n != "__metadata__"][:2]:
            harmed = bytearray(data)
            begin, _ = header[name]["data_offsets"]
            harmed[begin : begin + 4] = np.float32(value).tobytes()
            yield changed(
                sample,
                file,
                joined(header, bytes(harmed)),
                "non-finite weights",
                f"{name} {value}",
                "said",
                "is not finite",
            )


def shards(sample, outside):
    """An index that leads elsewhere. `outside` is a good file's path."""
    file = "model.safetensors.index.json"
    index = json.loads(sample[file])
    weight_map = index["weight_map"]
    name = next(iter(weight_map))
    inside = weight_map[name]
    for target in (
        f"../{inside}",
        str(outside),
        f"./{inside}",
        f"x/../{inside}",
        f"..\\{inside}",
        f"file://{outside}",
        "",
        ".",
        "..",
        "\0",
        f"{inside}\0",
        "a" * 5000,
        7,
        None,
        [inside],
        {"a": inside},
        "config.json",
        file,
        "nowhere.safetensors",
    ):
        harmed = {**index, "weight_map": {**weight_map, name: target}}
        yield changed(
            sample,
            file,
            json.dumps(harmed).encode(),
            "path in an index",
            f"{target!r:.40}",
        )
    for weights in (None, [], "", 7, {}):
        harmed = {**index, "weight_map": weights}
        yield changed(
            sample,
            file,
            json.dumps(harmed).encode(),
            "no weight_map",
            str(weights),
        )
    other = next(x for x in weight_map.values() if x != inside)
    moved = {**index, "weight_map": {**weight_map, name: other}}
    yield changed(
        sample, file, json.dumps(moved).encode(), "name in another shard", name
    )
    # Each shard holds all: which counts would be chance.
    yield changed(
        sample,
        inside,
        sample[other],
        "duplicate names in shards",
        "",
    )
    yield changed(
        sample | {"twin.safetensors": sample[inside]},
        file,
        json.dumps(
            {**index, "weight_map": {**weight_map, "more": "twin.safetensors"}}
        ).encode(),
        "duplicate names in shards",
        "and one that is not there",
    )
    yield changed(sample, inside, Link(str(outside)), "link out of the folder")
    yield changed(sample, file, sample[file], "nothing", "", SAME)


__all__ = ["EITHER", "headers", "joined", "numbers", "parts", "shards"]
