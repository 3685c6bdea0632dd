"""The compiled kernel, for every test that needs it."""

import pytest

from keras_longformer.native import build
from keras_longformer.native import library


@pytest.fixture(scope="session")
def compiler():
    """A C++ compiler's path."""
    try:
        return build.find_compiler()
    except RuntimeError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def kernel(compiler):
    """The loaded library, built once into the user's cache."""
    build.build()
    return library.load()


@pytest.fixture(params=library.INSTRUCTIONS)
def instructions(request, kernel):
    """Each instruction set of this machine in turn."""
    try:
        library.choose_instructions(request.param)
    except ValueError:
        pytest.skip(f"this machine has no {request.param}")
    assert library.instructions() == request.param
    yield request.param
    library.choose_instructions()
