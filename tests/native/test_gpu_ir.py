"""The stored IR: whether it is the sources' own, and how numbers get in."""

import importlib.metadata
import importlib.util
import json
import pathlib
import re
import subprocess
import sys

import pytest

from keras_longformer.native.gpu import ir
from tests.native import gpu_process

ROOT = pathlib.Path(__file__).parents[2]
MANIFEST = json.loads((ir.FOLDER / "kernels.json").read_text(encoding="utf-8"))
VARIANTS = MANIFEST["variants"]
KERNELS = list(MANIFEST["kernels"])

SCALARS = {
    "b": 2,
    "n": 4099,
    "h": 12,
    "d": 64,
    "g": 3,
    "behind": 256,
    "ahead": 256,
    "dilation": 1,
    "has_key_mask": 1,
    "has_dilations": 0,
    "splits": 32,
    "scale": 0.125,
}

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is missing"
)


def find(kernel, dtype="bfloat16", head_size=64):
    return ir.find(kernel, dtype, head_size)


def scalars(variant, **changes):
    numbers = {**SCALARS, **changes}
    return {name: numbers[name] for name in variant.scalars}


def parameters(text):
    """The parameters of the one function in an IR, `[(name, type), ...]`."""
    (line,) = [line for line in text.splitlines() if "tt.func" in line]
    return re.findall(r"%(\w+): (\S+?)(?: {[^}]*})?[,)]", line)


def test_is_made_from_these_sources():
    assert MANIFEST["source_sha256"] == ir.source_hash(), (
        "The IR is stale: run `python scripts/build/gpu_kernels.py`."
    )


@needs_triton
@pytest.mark.slow
def test_is_what_triton_makes():
    version = importlib.metadata.version("triton")
    if version != MANIFEST["triton"]:
        pytest.skip(f"made by triton {MANIFEST['triton']}, not {version}")
    command = [sys.executable, ROOT / "scripts/build/gpu_kernels.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_products_of_float32_are_exact():
    assert MANIFEST["precision"] == "ieee"
    assert "inputPrecision = tf32" not in find("forward", "float32").text


@pytest.mark.parametrize("kernel", KERNELS)
def test_there_is_every_variant(kernel):
    for dtype in ("float16", "bfloat16", "float32"):
        for head_size in (1, 5, 16, 17, 32, 64, 80, 128, 256):
            variant = find(kernel, dtype, head_size)
            assert variant.kernel == kernel
            (main,) = re.findall(r"@(\w+)", variant.text)
            assert main == variant.name
    assert len(VARIANTS) == 4 * 3 * 5 * 2


@pytest.mark.parametrize("name", VARIANTS)
def test_text_is_free_of_places_and_slow_exponentials(name):
    kernel, dtype, head_size, *padded = name.split()
    text = find(kernel, dtype, int(head_size) - bool(padded)).text
    assert "loc(" not in text
    assert not re.search(r"\.py|/\w+/", text)
    assert "math.exp2" not in text
    assert "ex2.approx.ftz" in text


@pytest.mark.parametrize("kernel", KERNELS)
def test_bound_kernels_take_buffers_only(kernel):
    variant = find(kernel)
    buffers = [x.name for x in (*variant.operands, *variant.results)]
    names = [*buffers, *variant.scalars]
    assert [name for name, _ in parameters(variant.text)] == names
    text = variant.bind(scalars(variant))
    assert [name for name, _ in parameters(text)] == buffers
    assert all(type_.startswith("!tt.ptr") for _, type_ in parameters(text))
    for name, number in scalars(variant).items():
        (line,) = re.findall(rf"%{name} = (.*)\n", text)
        assert float(re.search(r"constant (\S+) :", line)[1]) == number


def test_sizes_are_read_from_the_last_operand():
    variant = find("forward")
    numbers = scalars(variant)
    del numbers["n"], numbers["b"]
    text = variant.bind(numbers, read=["n", "b"])
    names = [name for name, _ in parameters(text)]
    operands = [x.name for x in variant.operands]
    assert names == [*operands, "sizes", "output", "log_sum"]
    assert "%n.at = arith.constant 0 : i32" in text
    assert "%b.at = arith.constant 1 : i32" in text
    assert "%b = tt.load %b.from" in text
    assert variant.programs(numbers) == ir.UNKNOWN_PROGRAMS


@pytest.fixture(scope="module")
def simplify():
    with gpu_process.process() as call:
        yield lambda text: call(gpu_process.simplify, text)


def uses(text, number):
    """How often an IR of `simplify` uses its parameter of that number."""
    declared_and_used = re.findall(rf"%arg{number}\b", text)
    return len(declared_and_used) - 1


@needs_triton
@pytest.mark.parametrize("kernel", KERNELS)
def test_triton_reads_bound_kernels(simplify, kernel):
    variant = find(kernel)
    numbers = scalars(variant)
    assert "tt.dot" in simplify(variant.bind(numbers))
    del numbers["n"], numbers["b"]
    read = simplify(variant.bind(numbers, read=["b", "n"]))
    assert uses(read, len(variant.operands)) == 2


@needs_triton
def test_what_is_left_out_costs_nothing(simplify):
    """Without masks and global keys, nothing reads them or asks for them."""
    variant = find("forward")
    lean = variant.bind(scalars(variant, g=0, has_key_mask=0))
    lean = simplify(lean)
    used = [x.name for i, x in enumerate(variant.operands) if uses(lean, i)]
    assert used == ["query", "key", "value"]
    # Two edges hide scores, and what lies inside the band hides none.
    full = simplify(variant.bind(scalars(variant)))
    hiding = r"arith\.select .*: tensor<\d+x\d+xi1>"
    assert len(re.findall(hiding, lean)) == 2
    assert len(re.findall(hiding, full)) == 2 + 3 + 1


@pytest.mark.parametrize(
    "changes, count",
    [
        (dict(n=4097), 2 * 12 * 65),
        (dict(n=4096), 2 * 12 * 64),
        (dict(n=5, dilation=7), 2 * 12 * 7),
        (dict(n=0, b=0), 1),
    ],
)
def test_programs(changes, count):
    variant = find("forward")
    numbers = scalars(variant, **changes)
    assert variant.own == 64
    assert variant.programs(numbers) == count
    config = variant.backend_config(numbers)
    assert config.pop("ir") == variant.bind(numbers)
    assert config == {
        "name": "window_attention_forward",
        "grid_x": count,
        "grid_y": 1,
        "grid_z": 1,
        "num_warps": variant.num_warps,
        "num_stages": variant.num_stages,
    }


def test_programs_of_global_gradient():
    variant = find("global_gradient")
    assert variant.own == 16
    numbers = scalars(variant, g=17)
    assert variant.programs(numbers) == variant.splits * 2 * 12 * 2
    del numbers["n"]  # which does not change them
    assert variant.programs(numbers) == variant.splits * 2 * 12 * 2


def test_too_many_programs():
    variant = find("forward")
    with pytest.raises(ValueError, match="at most .* blocks.*Split the batch"):
        variant.programs(scalars(variant, b=2**20, h=2**20))


@pytest.mark.parametrize(
    "changes, read, match",
    [
        (dict(n=None), [], "missing: n"),
        (dict(m=3), [], "unknown: m"),
        (dict(), ["m"], "missing|unknown: m"),
        (dict(), ["n"], "given twice: n"),
        (dict(n=None), ["n", "n"], "given twice: n"),
        (dict(scale=None), ["scale"], "not to be read: scale"),
        (dict(n=2**30), [], "out of range: n"),
        (dict(ahead=-1), [], "out of range: ahead"),
        (dict(n=2.5), [], "out of range: n"),
        (dict(scale=0.0), [], "out of range: scale"),
        (dict(scale=float("inf")), [], "out of range: scale"),
    ],
)
def test_bind_errors(changes, read, match):
    variant = find("forward")
    numbers = {**scalars(variant), **changes}
    numbers = {k: v for k, v in numbers.items() if v is not None}
    with pytest.raises(ValueError, match=match):
        variant.bind(numbers, read)


@pytest.mark.parametrize(
    "arguments, match",
    [
        (("forward", "float64", 64), "no GPU kernel 'forward float64 64'"),
        (("backward", "float32", 64), "no GPU kernel 'backward"),
        (("forward", "float32", 257), "heads of 1 to 256.*257"),
        (("forward", "float32", 0), "heads of 1 to 256.*0"),
    ],
)
def test_find_errors(arguments, match):
    with pytest.raises(ValueError, match=match):
        ir.find(*arguments)
