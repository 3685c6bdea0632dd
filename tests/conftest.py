"""What all tests share."""

import importlib
import importlib.util
import os

# In the other process of tests/own_process.py these go before TensorFlow.
if "KERAS_LONGFORMER_TEST_REPORTS" in os.environ:
    for _name in ("triton", "torch"):
        if importlib.util.find_spec(_name):
            importlib.import_module(_name)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# Nothing is built beside the tests, and what is built changes none: the kernel
# runs where a test names it.
os.environ.setdefault("KERAS_LONGFORMER_NATIVE", "off")

import keras  # noqa: E402
import pytest  # noqa: E402

from tests.paths import SHARED_DATA  # noqa: E402


@pytest.fixture
def shared_data():
    """The folder of real texts and expected values beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"there is no test data at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def fixed_seed():
    """The same initial weights, dropout and shuffling in every run."""
    keras.utils.set_random_seed(1234)


# Fixtures that tests of several folders use.
pytest_plugins = [
    "tests.fast",
    "tests.network",
    "tests.own_process",
    "tests.skips",
    "tests.slow",
    "tests.tracing",
    "tests.vocabularies",
    "tests.serving.exports",
]
