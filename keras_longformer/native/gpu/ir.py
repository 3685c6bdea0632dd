"""Reads the kernels' IR and binds numbers into it. Needs no Triton.

XLA hands a Triton kernel buffers only, so that every number (sizes, window,
scale) has to be a constant in the IR, or be read from a buffer. Both are done
on the text, so that one stored IR serves all shapes.
"""

import dataclasses
import functools
import hashlib
import json
import math
import pathlib
import re
from collections.abc import Mapping
from collections.abc import Sequence

FOLDER = pathlib.Path(__file__).parent

# Programs where the number of items is not known when the graph is made: each
# takes every 2112th item. 16 for each of an H200's 132 multiprocessors.
UNKNOWN_PROGRAMS = 2112

# Sums of two such numbers stay below 2 ** 31.
_LARGEST = 2**30


@dataclasses.dataclass(frozen=True)
class Buffer:
    """An operand or a result.

    Attributes:
        name: str.
        dtype: str.
        shape: letters of the axes, and `splits`.
    """

    name: str
    dtype: str
    shape: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Variant:
    """One kernel for one dtype and padded head size.

    Attributes:
        kernel: "forward", "query_gradient", "key_gradient" or
            "global_gradient".
        name: the kernel's name in the IR.
        operands: `Buffer`s, in order.
        results: `Buffer`s, in order, after the operands.
        scalars: dtypes ("int32" or "float32") by name.
        own: int, rows that an item owns.
        splits: int, parts in which `global_gradient` adds.
        num_warps, num_stages: as XLA wants them.
        text: the IR, in which scalars are parameters.
    """

    kernel: str
    name: str
    operands: tuple[Buffer, ...]
    results: tuple[Buffer, ...]
    scalars: Mapping[str, str]
    own: int
    splits: int
    num_warps: int
    num_stages: int
    text: str

    def bind(
        self, scalars: Mapping[str, float], read: Sequence[str] = ()
    ) -> str:
        """Makes IR whose only parameters are buffers.

        Args:
            scalars: numbers by name.
            read: names of int32 scalars which the kernel reads at run time
                from one more operand, after all others: int32
                `(len(read),)`, in this order.

        Raises:
            ValueError: scalars that are missing, unknown, given twice or out
                of range.
        """
        self._check(scalars, read)
        start = self.text.index("(", self.text.index(f"@{self.name}")) + 1
        stop = self.text.index(") attributes", start)
        body = self.text.index("{\n", stop + len(") attributes {")) + 2
        pointers, lines = [], []
        for parameter in re.split(r", (?=%)", self.text[start:stop]):
            name, type_ = re.match(r"%(\w+): (\S+)", parameter).groups()
            if name not in self.scalars:
                pointers.append(parameter)
            elif name in read:
                lines += [
                    f"%{name}.at = arith.constant {read.index(name)} : i32",
                    f"%{name}.from = tt.addptr %sizes, %{name}.at : "
                    "!tt.ptr<i32>, i32",
                    f"%{name} = tt.load %{name}.from : !tt.ptr<i32>",
                ]
            else:
                number = _number(scalars[name], self.scalars[name])
                lines.append(f"%{name} = arith.constant {number} : {type_}")
        if read:
            pointers.insert(
                len(self.operands),
                "%sizes: !tt.ptr<i32> {tt.divisibility = 16 : i32}",
            )
        return "".join(
            [
                self.text[:start],
                ", ".join(pointers),
                self.text[stop:body],
                *(f"    {line}\n" for line in lines),
                self.text[body:],
            ]
        )

    def programs(self, scalars: Mapping[str, float]) -> int:
        """The grid: one program an item, where the sizes are all given."""
        if self.kernel == "global_gradient":
            sizes, count = "bhg", self._global_items
        else:
            sizes, count = ("b", "h", "n", "dilation"), self._items
        if not all(name in scalars for name in sizes):
            return UNKNOWN_PROGRAMS
        items = count(*(int(scalars[name]) for name in sizes))
        if items >= _LARGEST:
            raise ValueError(
                f"The GPU kernels take at most {_LARGEST} blocks of tokens. "
                f"Received: {dict(scalars)}, {items} blocks. Split the batch."
            )
        return max(items, 1)

    def backend_config(
        self, scalars: Mapping[str, float], read: Sequence[str] = ()
    ) -> dict[str, str | int]:
        """What `__gpu$xla.gpu.triton` wants; all integers are int32."""
        return {
            "name": self.name,
            "ir": self.bind(scalars, read),
            "grid_x": self.programs(scalars),
            "grid_y": 1,
            "grid_z": 1,
            "num_warps": self.num_warps,
            "num_stages": self.num_stages,
        }

    def _items(self, b, h, n, dilation):
        return b * h * (-(-n // self.own) + dilation - 1)

    def _global_items(self, b, h, g):
        return self.splits * b * h * -(-g // self.own)

    def _check(self, scalars, read):
        given = [*scalars, *read]
        problems = {
            "missing": self.scalars.keys() - set(given),
            "unknown": set(given) - self.scalars.keys(),
            "given twice": {name for name in given if given.count(name) > 1},
            "not int32, so not to be read": {
                name for name in read if self.scalars.get(name) == "float32"
            },
            "out of range": {
                name
                for name, value in scalars.items()
                if not _in_range(value, self.scalars.get(name))
            },
        }
        found = [
            f"{problem}: {', '.join(sorted(names))}"
            for problem, names in problems.items()
            if names
        ]
        if found:
            raise ValueError(
                f"The scalars of `{self.name}` are {', '.join(self.scalars)}; "
                f"integers in [0, {_LARGEST}) and a positive scale. Received: "
                f"scalars={dict(scalars)}, read={list(read)} "
                f"({'; '.join(found)})"
            )


def find(kernel: str, dtype: str, head_size: int) -> Variant:
    """The variant of a kernel for heads of `head_size`.

    Raises:
        ValueError: there is none.
    """
    manifest = _manifest()
    fits = [size for size in manifest["head_sizes"] if size >= head_size]
    if head_size < 1 or not fits:
        raise ValueError(
            f"The GPU kernels take heads of 1 to {manifest['head_sizes'][-1]} "
            f"elements. Received: head_size={head_size}"
        )
    return _variant(key(kernel, dtype, fits[0], head_size < fits[0]))


def key(kernel: str, dtype: str, head_size: int, padded: bool) -> str:
    """What a variant is called in the manifest and in the IR's file."""
    return f"{kernel} {dtype} {head_size}{' padded' * padded}"


def source_hash() -> str:
    """SHA-256 of the sources that the IR is made from."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.py")):
        if path.name not in ("__init__.py", pathlib.Path(__file__).name):
            digest.update(path.name.encode() + b"\0")
            digest.update(path.read_text(encoding="utf-8").encode() + b"\0")
    return digest.hexdigest()


@functools.lru_cache
def _variant(name):
    manifest, kernel = _manifest(), name.split()[0]
    if name not in manifest["variants"]:
        raise ValueError(
            f"There is no GPU kernel '{name}'. There are: "
            f"{', '.join(manifest['variants'])}"
        )
    dtype = name.split()[1]
    about, tile = manifest["kernels"][kernel], manifest["variants"][name]

    def buffers(what):
        return tuple(
            Buffer(name, own or dtype, tuple(shape.split()))
            for name, own, shape in about[what]
        )

    return Variant(
        kernel=kernel,
        name=about["name"],
        operands=buffers("operands"),
        results=buffers("results"),
        scalars=about["scalars"],
        own=tile["own"],
        splits=manifest["splits"],
        num_warps=tile["num_warps"],
        num_stages=tile["num_stages"],
        text=_texts()[name],
    )


@functools.lru_cache
def _manifest():
    path = FOLDER / "kernels.json"
    return json.loads(path.read_text(encoding="utf-8"))


@functools.lru_cache
def _texts():
    """IR by key: in the file, a line `// key` stands before each."""
    import lzma  # Not every build of Python has it.

    data = lzma.decompress((FOLDER / "kernels.ttir.xz").read_bytes())
    _, *parts = re.split(r"^// (.*)\n", data.decode(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _in_range(value, dtype):
    if dtype == "float32":
        return 0 < value < math.inf
    return 0 <= value < _LARGEST and value == int(value)


def _number(value, dtype):
    return f"{value:.9e}" if dtype == "float32" else str(int(value))
