"""The kernels' own test: odd shapes, exact buffers, sanitizers on."""

import subprocess

import pytest

from keras_longformer.native import build
from tests.native.kernel import compiler as compiler
from tests.native.kernel import older_compiler as older_compiler

pytestmark = pytest.mark.native

# Of threads alone, then of addresses and of what C++ leaves undefined.
SANITIZERS = {
    "address": "-fsanitize=address,undefined",
    "thread": "-fsanitize=thread",
}
FLAGS = ("-fno-sanitize-recover=all", "-g", "-O1")


def run_self_test(compiler, folder, flags):
    """Returns what it prints; it must find nothing bad."""
    program = folder / "self_test"
    sources = build.kernel_sources(compiler)
    build.compile_sources(
        {**sources, "self_test.cc": ()},
        program,
        flags=flags,
        link_flags=("-lpthread",),
        compiler=compiler,
    )
    process = subprocess.run([program], capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stdout.endswith(" 0 bad\n")
    return process.stdout


@pytest.mark.parametrize("kind", SANITIZERS)
def test_no_step_outside_a_buffer(compiler, tmp_path, kind):
    flags = (SANITIZERS[kind], *FLAGS)
    probe = tmp_path / "probe.cc"
    probe.write_text("int main() { return 0; }\n")
    command = [compiler, *flags, str(probe), "-o", str(tmp_path / "probe")]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("the compiler has no sanitizers")
    run_self_test(compiler, tmp_path, flags)


@pytest.mark.slow
def test_what_an_older_compiler_builds(older_compiler, tmp_path):
    """It runs, without the newer instructions."""
    said = run_self_test(older_compiler("-mavx512bf16"), tmp_path, ("-O1",))
    for name in ("avx512_bf16", "amx"):
        assert f"{name}: not on this machine" in said
