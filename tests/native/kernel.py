"""The compiled kernel, for every test that needs it."""

import pytest

from keras_longformer.native import build
from keras_longformer.native import library

OF_BFLOAT16 = ("avx512_bf16", "amx")


@pytest.fixture(scope="session")
def compiler():
    """A C++ compiler's path."""
    try:
        return build.find_compiler()
    except RuntimeError as error:
        pytest.skip(str(error))


@pytest.fixture
def older_compiler(compiler, tmp_path):
    """A function of a flag: that compiler, as if it did not know the flag."""

    def make(flag):
        path = tmp_path / "older"
        path.write_text(
            '#!/bin/sh\nfor x in "$@"; do\n'
            f'  [ "$x" = {flag} ] && {{ echo unknown option; exit 1; }}\n'
            f'done\nexec {compiler} "$@"\n'
        )
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture(scope="session")
def kernel(compiler):
    """The loaded library, built once into the user's cache."""
    build.build()
    return library.load()


def _each(name):
    try:
        library.choose_instructions(name)
    except ValueError:
        pytest.skip(f"this machine has no {name}")
    assert library.instructions() == name
    yield name
    library.choose_instructions()


# The others compute float32 by those of AVX-512.
@pytest.fixture(
    params=[x for x in library.INSTRUCTIONS if x not in OF_BFLOAT16]
)
def instructions(request, kernel):
    """Each instruction set of this machine in turn."""
    yield from _each(request.param)


@pytest.fixture(params=OF_BFLOAT16)
def bfloat16_instructions(request, kernel):
    """Each that has products of bfloat16."""
    yield from _each(request.param)
