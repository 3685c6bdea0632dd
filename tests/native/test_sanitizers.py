"""The kernels' own test: odd shapes, exact buffers, sanitizers on."""

import subprocess

import pytest

from keras_longformer.native import build
from tests.native.kernel import compiler as compiler

pytestmark = pytest.mark.native

SANITIZERS = (
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-g",
    "-O1",
)


def test_no_step_outside_a_buffer(compiler, tmp_path):
    probe = tmp_path / "probe.cc"
    probe.write_text("int main() { return 0; }\n")
    command = [compiler, *SANITIZERS, str(probe), "-o", str(tmp_path / "probe")]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("the compiler has no sanitizers")
    program = tmp_path / "self_test"
    build.compile_sources(
        {**build.kernel_sources(compiler), "self_test.cc": ()},
        program,
        flags=SANITIZERS,
        link_flags=("-lpthread",),
        compiler=compiler,
    )
    process = subprocess.run([program], capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stdout.endswith(" 0 bad\n")
