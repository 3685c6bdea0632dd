"""The source distribution and the wheel: whole, and running elsewhere."""

import pathlib
import sys
import tarfile
import zipfile

import pytest

from keras_longformer.native import choice
from tests.native.test_wheel import build_wheel
from tests.native.test_wheel import checkout as checkout
from tests.native.test_wheel import new_environment
from tests.native.test_wheel import run
from tests.paths import ROOT

OFF = {choice.VARIABLE: "off"}  # No kernel is compiled.
PROGRAM = """
import numpy as np
import keras_longformer as klf
layer = klf.LongformerAttention(num_heads=2, key_dim=8, window_size=4)
assert layer(np.ones([1, 9, 16], "float32")).shape == (1, 9, 16)
print(klf.__file__)
"""


def files_of_the_package():
    """Names of all that a user needs, from the checkout."""
    folder = ROOT / "keras_longformer"
    return {
        path.relative_to(ROOT).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
        and path.suffix not in (".pyc", ".so", ".lock")
        and "built" not in path.parts
    }


@pytest.fixture(scope="module")
def archives(checkout, tmp_path_factory):
    """The wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("archives")
    for name in ("CHANGELOG.md", "CITATION.cff", "MANIFEST.in"):
        (checkout / name).write_bytes((ROOT / name).read_bytes())
    program = f"""
from setuptools import build_meta
build_meta.build_sdist({str(folder)!r})
"""
    run(sys.executable, "-c", program, cwd=checkout, **OFF)
    wheel, _ = build_wheel(checkout, folder, **OFF)
    (source,) = folder.glob("*.tar.gz")
    return {"wheel": wheel, "source": source}


def test_both_are_whole(archives):
    wanted = files_of_the_package()
    assert "keras_longformer/py.typed" in wanted
    with zipfile.ZipFile(archives["wheel"]) as opened:
        assert wanted <= set(opened.namelist())
    with tarfile.open(archives["source"]) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert wanted <= names
    extra = {"LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "setup.py"}
    assert extra <= names


@pytest.mark.parametrize(
    "kind", ["wheel", pytest.param("source", marks=pytest.mark.slow)]
)
def test_runs_from_another_folder(kind, archives, tmp_path):
    python, packages = new_environment(tmp_path / "venv")
    install = (sys.executable, "-m", "pip", "--python", python, "install")
    options = ("--no-deps", "--no-index", "--no-build-isolation")
    run(*install, *options, archives[kind], cwd=tmp_path, **OFF)
    said = run(python, "-c", PROGRAM, cwd=tmp_path, **OFF).stdout
    assert pathlib.Path(said.strip()).parent == packages / "keras_longformer"
