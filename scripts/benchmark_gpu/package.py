"""Kernels and cases of the checkout, loaded without TensorFlow."""

import importlib
import importlib.util
import pathlib
import sys
import types

import numpy as np

ROOT = pathlib.Path(__file__).parents[2]


def installed(name):
    """bool, whether a package can be imported, without importing it."""
    return importlib.util.find_spec(name) is not None


def native(name):
    """Imports `keras_longformer.native.<name>`.

    Unless the package is there already, empty ones take its place: its own
    `__init__` imports TensorFlow, which may not be installed, and does not
    get along with Triton in one process.
    """
    if "keras_longformer" not in sys.modules:
        for package in ("keras_longformer", "keras_longformer.native"):
            module = types.ModuleType(package)
            module.__path__ = [str(ROOT / package.replace(".", "/"))]
            sys.modules[package] = module
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    return importlib.import_module(f"keras_longformer.native.{name}")


def case_table():
    """The module `tests/ops/cases.py`, whose inputs are NumPy arrays here."""
    stand_in = types.ModuleType("tensorflow")
    stand_in.constant = lambda values, dtype=None: np.asarray(values)
    name = "benchmark_gpu_cases"
    spec = importlib.util.spec_from_file_location(
        name, ROOT / "tests" / "ops" / "cases.py"
    )
    module = importlib.util.module_from_spec(spec)
    before = {k: v for k, v in sys.modules.items() if k == "tensorflow"}
    sys.modules["tensorflow"] = stand_in
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["tensorflow"]
        sys.modules.update(before)
    return module
