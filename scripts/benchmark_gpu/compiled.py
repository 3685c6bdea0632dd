"""What the compiler makes of a kernel: registers, memory, instructions.

Needs Triton and no GPU. The disassembler is the one that Triton's wheel
brings. `python -m benchmark_gpu.compiled OUTPUT.json` does it for all tiles
that tuning tries, in two minutes on two free cores.
"""

import collections
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

from benchmark_gpu import kernels
from benchmark_gpu import results
from benchmark_gpu.gpus import GPUS

POINTERS = {
    "bfloat16": "*bf16",
    "float16": "*fp16",
    "float32": "*fp32",
    "bool": "*u8",
    "int32": "*i32",
}
# XLA gets all scalars as constants: those that shape the code are so here too.
BOUND = {"h": 12, "d": 64, "dilation": 1, "has_key_mask": 1, "has_dilations": 0}
INSTRUCTION = re.compile(
    r"^\s+/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)([^;]*);"
)


def compile_kernel(name, config, capability, dtype="bfloat16", bound=None):
    """`triton.compile` for a GPU that need not be there.

    `bound`: numbers of scalars that are constants, by default `BOUND`.
    """
    from triton import compile as triton_compile
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    export = kernels.export()
    kernel = export.KERNELS[name].function
    bound = BOUND if bound is None else bound
    fixed = kernels.constants(name, config, BOUND["d"])
    fixed |= {k: v for k, v in bound.items() if k in kernel.arg_names}
    signature, constants, hints = {}, {}, {}
    for index, argument in enumerate(kernel.arg_names):
        if argument in fixed:
            signature[argument] = "constexpr"
            constants[(index,)] = fixed[argument]
        elif argument in export.SHAPES:
            signature[argument] = POINTERS.get(
                export.OTHER_DTYPES.get(argument, dtype)
            )
            hints[(index,)] = [["tt.divisibility", 16]]
        else:
            signature[argument] = "fp32" if argument == "scale" else "i32"
            if argument == "d":
                hints[(index,)] = [["tt.divisibility", 16]]
    tile = config.tiles[name]
    source = ASTSource(
        fn=kernel, signature=signature, constexprs=constants, attrs=hints
    )
    return triton_compile(
        source,
        target=GPUTarget("cuda", capability, 32),
        options=dict(num_warps=tile.warps, num_stages=tile.stages),
    )


def _tool(name, *arguments):
    from triton.backends import nvidia

    path = pathlib.Path(nvidia.__file__).parent / "bin" / name
    process = subprocess.run(
        [path, *arguments], capture_output=True, text=True, check=True
    )
    return process.stdout


def resources(compiled):
    """Dict of the kernel's registers, memory and innermost loops."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compiled.asm["cubin"])
        file.flush()
        usage = _tool("cuobjdump", "--dump-resource-usage", file.name)
        code = _tool("cuobjdump", "-sass", file.name)
    return {
        "registers": int(re.search(r"REG:(\d+)", usage).group(1)),
        "stack_bytes": int(re.search(r"STACK:(\d+)", usage).group(1)),
        "shared_bytes": compiled.metadata.shared,
        "loops": loops(code),
    }


def loops(code):
    """The innermost loops with products in them, in the order of the code.

    Returns:
        List of dicts, each of one pass of a warp: `instructions`,
        `exponentials`, `products` (multiply-adds of the matrix units, of a
        warp or of a group of four) and `operand_bytes` (that the products
        read from shared memory).
    """
    listing = []
    for line in code.splitlines():
        if found := INSTRUCTION.match(line):
            address, operation, operands = found.groups()
            listing.append((int(address, 16), operation, operands))
    jumps = []
    for address, operation, operands in listing:
        target = re.search(r"0x([0-9a-f]+)", operands)
        if operation == "BRA" and target and int(target[1], 16) < address:
            jumps.append((int(target[1], 16), address))
    found = []
    for start, stop in sorted(jumps):
        within = [s for s, e in jumps if start <= s and e <= stop]
        body = [x for x in listing if start <= x[0] <= stop]
        loop = _count(body)
        if len(within) == 1 and loop["products"]:
            found.append(loop)
    return found


def _count(body):
    count = collections.Counter()
    for _, operation, operands in body:
        name, *suffixes = operation.split(".")
        if name in ("NOP", "NANOSLEEP"):
            continue
        count["instructions"] += 1
        if name == "MUFU" and "EX2" in suffixes:
            count["exponentials"] += 1
        if name == "HGMMA":  # 64 rows by four warps
            m, n, k = map(int, suffixes[0].split("x"))
            count["products"] += m * n * k
            count["operand_bytes"] += n * k * 2
            if re.match(r"\s*R\d+, gdesc", operands):  # both from memory
                count["operand_bytes"] += m * k * 2
        if name == "HMMA":
            shape = {"16816": (16, 8, 16), "1688": (16, 8, 8)}[suffixes[0]]
            count["products"] += math.prod(shape)
        if name == "LDSM":
            count["operand_bytes"] += 128 * int(suffixes[-1])
    return {
        name: count[name]
        for name in (
            "instructions",
            "exponentials",
            "products",
            "operand_bytes",
        )
    }


def all_resources(gpus=GPUS):
    """Yields dicts for each GPU, each kernel that walks the band, its tiles."""
    for gpu in gpus:
        for name in ("forward", "query_gradient", "key_gradient"):
            for tile in kernels.candidates(name, "bfloat16", BOUND["d"]):
                config = kernels.default("bfloat16", BOUND["d"])
                compiled = compile_kernel(
                    name, config.with_tile(name, tile), gpu.capability
                )
                yield {
                    "gpu": gpu.name,
                    "kernel": name,
                    "tile": list(tile),
                    **resources(compiled),
                }


def main():
    import triton

    (path,) = sys.argv[1:]
    rows = []
    for row in all_resources():
        rows.append(row)
        print(json.dumps(row), flush=True)
        content = {"triton": triton.__version__, "kernels": rows}
        results.write(path, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
