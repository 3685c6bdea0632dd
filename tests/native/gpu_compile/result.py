"""What XLA made of a module: kernels, their resources, buffers, the program."""

import dataclasses
import pathlib
import re
import struct
from collections.abc import Iterator

# Kinds of records in a cubin's `.nv.info`, of a value for each function.
_FRAME_SIZE = 0x11
_REGISTERS = 0x2F
_SIZED_RECORD = 4

_INSTRUCTION_BYTES = 16  # from compute capability 7.0 on


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One kernel of a compiled module.

    Attributes:
        registers: of a thread, at most 255.
        stack_bytes: local memory of a thread. Registers that are spilled lie
            there, and little else: 0 says that there are none.
        instructions: of the machine code, with what pads it at its end.
        products: tensor cores' instructions in the PTX.
    """

    registers: int
    stack_bytes: int
    instructions: int
    products: int


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A compiled module.

    Attributes:
        kernels: `Kernel`s by name.
        shared_bytes: shared memory of each kernel that XLA compiled with
            Triton, in the order in which it did.
        temporary_bytes: device memory besides parameters and results.
        hlo: the optimised program, as text.
        seconds: what compiling took.
    """

    kernels: dict[str, Kernel]
    shared_bytes: tuple[int, ...]
    temporary_bytes: int
    hlo: str
    seconds: float

    def instructions(self) -> Iterator[tuple[str, str, str]]:
        """Opcode, result type and text of what the program runs.

        Of the entry computation alone: each of these is a kernel, a call of a
        library or free.
        """
        entry = self.hlo[self.hlo.index("\nENTRY ") :]
        for line in entry.splitlines()[2:]:
            found = re.match(
                r"\s*(?:ROOT )?%?\S+ = (\(.*?\)|\S+) ([\w-]+)\(", line
            )
            if found:
                yield found.group(2), found.group(1), line.strip()


def read(
    dump: pathlib.Path, result: pathlib.Path, log: str, seconds: float
) -> Compiled:
    """Reads what the tool and XLA wrote."""
    hlo = _only(dump, "*gpu_after_optimizations.txt").read_text()
    buffers = _only(dump, "*gpu_after_optimizations-buffer-assignment.txt")
    ptx = "\n".join(path.read_text() for path in sorted(dump.glob("*.ptx")))
    temporary = re.findall(
        r"allocation \d+: size (\d+), preallocated-temp", buffers.read_text()
    )
    return Compiled(
        kernels=_kernels(result.read_bytes(), ptx),
        shared_bytes=tuple(
            int(size)
            for size in re.findall(r"Shared memory usage: (\d+) B", log)
        ),
        temporary_bytes=sum(map(int, temporary)),
        hlo=hlo,
        seconds=seconds,
    )


def _only(folder, pattern):
    (path,) = folder.glob(pattern)
    return path


def _kernels(result, ptx):
    """`Kernel`s by name, from the cubin within the tool's result."""
    start = result.find(b"\x7fELF")
    if start < 0:
        return {}
    sections, symbols = _sections(result[start:])
    registers, stacks = {}, {}
    info, at = sections[".nv.info"], 0
    while at < len(info):
        kind, attribute, size = struct.unpack_from("<BBH", info, at)
        at += 4
        if kind != _SIZED_RECORD:
            continue
        if attribute in (_REGISTERS, _FRAME_SIZE):
            symbol, value = struct.unpack_from("<II", info, at)
            by_name = registers if attribute == _REGISTERS else stacks
            by_name[symbols[symbol]] = value
        at += size
    products = {}
    for part in ptx.split(".visible .entry ")[1:]:
        name = part[: part.index("(")]
        products[name] = len(re.findall(r"\b(?:wgmma\.)?mma\S*sync", part))
    return {
        name: Kernel(
            registers=registers[name],
            stack_bytes=stacks[name],
            instructions=len(sections[f".text.{name}"]) // _INSTRUCTION_BYTES,
            products=products.get(name, 0),
        )
        for name in sorted(registers)
        if f".text.{name}" in sections
    }


def _sections(elf):
    """Contents of a 64-bit ELF file's sections, and its symbols' names."""
    table = struct.unpack_from("<Q", elf, 0x28)[0]
    size, count, names_at = struct.unpack_from("<HHH", elf, 0x3A)
    headers = [
        struct.unpack_from("<IIQQQQIIQQ", elf, table + size * number)
        for number in range(count)
    ]

    def content(header):
        _, kind, _, _, at, length, *_ = header
        return b"" if kind == 8 else elf[at : at + length]  # 8: no bits

    def text(strings, at):
        return strings[at : strings.index(b"\0", at)].decode()

    names = content(headers[names_at])
    sections = {text(names, header[0]): content(header) for header in headers}
    strings, symbols = sections[".strtab"], sections[".symtab"]
    return sections, [
        text(strings, struct.unpack_from("<I", symbols, at)[0])
        for at in range(0, len(symbols), 24)
    ]
