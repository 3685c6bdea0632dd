"""Makes hostile files of good ones: one kind of harm each, and named.

A sample is a folder's files, `{name: bytes}`. A mutant is a sample of which
one file was changed, and what must become of it:

- `REFUSED`: an error that names the file, and `field` where it has one;
- `SAME`: it opens, and nothing differs from the good one;
- `EITHER`: one of the two, or, where data were changed and not what
  describes them, whatever they say now.
"""

import copy
import dataclasses
import json
import os
import pathlib

import numpy as np

REFUSED, SAME, EITHER = "refused", "same", "either"


@dataclasses.dataclass(frozen=True)
class Link:
    """A symbolic link in a file's place."""

    target: str


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A harmed sample.

    Attributes:
        kind: str, what was done, for tables.
        name: str, to which file and where in it.
        files: dict of name to bytes or `Link`.
        file: str, the file that was harmed.
        want: `REFUSED`, `SAME` or `EITHER`.
        field: str, what the error must name besides the file, or "".
    """

    kind: str
    name: str
    files: dict
    file: str
    want: str = REFUSED
    field: str = ""

    def write(self, folder):
        for name, content in self.files.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Link):
                os.symlink(content.target, path)
            else:
                path.write_bytes(content)


def changed(sample, file, content, kind, where="", want=REFUSED, field=""):
    return Mutant(
        kind, f"{file} {where}", sample | {file: content}, file, want, field
    )


# Of any file.


def truncated(sample, file, generator, count):
    """Ends anywhere. Of a text all of which is not needed: either."""
    content = sample[file]
    cuts = {0, 1, 7, len(content) - 1}
    cuts |= {int(x) for x in generator.integers(0, len(content), count)}
    for cut in sorted(cuts):
        yield changed(
            sample, file, content[:cut], "truncated", f"to {cut}", EITHER
        )


def flipped(sample, file, generator, count):
    """One to eight bits are others; half of them near the beginning."""
    content = np.frombuffer(sample[file], np.uint8)
    for i in range(count):
        harmed = content.copy()
        end = min(len(harmed), 2048) if i % 2 else len(harmed)
        places = generator.integers(0, end, generator.integers(1, 9))
        harmed[places] ^= 1 << generator.integers(0, 8, len(places)).astype(
            np.uint8
        )
        yield changed(
            sample, file, harmed.tobytes(), "bit-flipped", f"{i}", EITHER
        )


def spliced(sample, file, generator, count):
    """A part is zeros, ones, or a part of elsewhere."""
    content = sample[file]
    for i in range(count):
        begin, end = sorted(generator.integers(0, len(content) + 1, 2))
        other = int(generator.integers(0, len(content)))
        part = (
            bytes(end - begin),
            b"\xff" * (end - begin),
            content[other : other + end - begin],
            b"",
        )[i % 4]
        yield changed(
            sample,
            file,
            content[:begin] + part + content[end:],
            "spliced",
            f"{begin}:{end} ({i % 4})",
            EITHER,
        )


def linked(sample, file, outside):
    """The file is a link to one outside of the folder, or to itself."""
    yield changed(sample, file, Link(str(outside)), "link out of the folder")
    yield changed(sample, file, Link(os.path.basename(file)), "link to itself")


def any_file(sample, file, generator, count):
    for mutate in (truncated, flipped, spliced):
        yield from mutate(sample, file, generator, count)


# Of JSON.

NUMBERS = ("7", 1.5, -3, 10**9, 10**30, 0, True, None, [], {"a": 1}, "")


def json_document(sample, file):
    """What is no JSON that can be used, whatever it says."""
    text = sample[file].decode()
    deep = "[" * 100_000 + "]" * 100_000
    deep_objects = '{"a":' * 100_000 + "1" + "}" * 100_000
    body = text.strip()[1:]
    for kind, content, want in (
        ("deep JSON", deep, REFUSED),
        ("deep JSON", '{"deep": ' + deep + ", " + body, REFUSED),
        ("deep JSON", deep_objects, REFUSED),
        ("byte-order mark", "\ufeff" + text, REFUSED),
        (
            "number of 5,000 digits",
            '{"n": ' + "9" * 5000 + ", " + body,
            REFUSED,
        ),
        ("no object", "[1, 2]", REFUSED),
        ("no object", "null", REFUSED),
        ("no object", '"a"', REFUSED),
        ("empty object", "{}", EITHER),
        ("not UTF-8", text.encode("utf-16"), REFUSED),
        ("not UTF-8", b"\xff\xfe" + text.encode(), REFUSED),
        ("zero bytes", text + "\0", REFUSED),
    ):
        content = content.encode() if isinstance(content, str) else content
        yield changed(sample, file, content, kind, "", want)


def leaves(value, path=()):
    """Yields the paths of all values, those of objects and lists too."""
    if path:
        yield path
    if isinstance(value, dict):
        for name in value:
            yield from leaves(value[name], (*path, name))
    elif isinstance(value, list):
        for i in range(len(value)):
            yield from leaves(value[i], (*path, i))


def json_values(sample, file, generator, count, values=NUMBERS):
    """A value is another, missing, or there twice: `count` of all."""
    document = json.loads(sample[file])
    places = list(leaves(document))
    jobs = [(p, i) for p in places for i in range(len(values) + 2)]
    for job in generator.permutation(len(jobs))[:count]:
        path, i = jobs[job]
        harmed = copy.deepcopy(document)
        owner = harmed
        for step in path[:-1]:
            owner = owner[step]
        where = "/".join(map(str, path))
        if i < len(values):
            if owner[path[-1]] == values[i]:
                continue
            owner[path[-1]] = values[i]
            kind, where = "value of another kind", f"{where} = {values[i]!r}"
        elif i == len(values):
            owner.pop(path[-1])
            kind = "missing value"
        elif isinstance(owner, dict):
            owner["TWICE"] = owner[path[-1]]
            kind = "duplicate name"
        else:
            continue
        text = json.dumps(harmed)
        want = EITHER
        if kind == "duplicate name":
            text = text.replace('"TWICE"', json.dumps(path[-1]), 1)
            want = REFUSED
        yield changed(sample, file, text.encode(), kind, where, want)


def json_settings(sample, file, settings, kind, want=REFUSED):
    """Named values: `{name: value}`, one at a time."""
    document = json.loads(sample[file])
    for name, value in settings:
        text = json.dumps({**document, name: value}).encode()
        yield changed(
            sample, file, text, kind, f"{name} = {value!r:.40}", want, name
        )
