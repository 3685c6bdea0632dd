"""What all tests share."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import pathlib

import keras
import pytest

SHARED_DATA = pathlib.Path(__file__).parents[2] / "shared" / "data"


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
pytest_plugins = ["tests.vocabularies", "tests.serving.exports"]
