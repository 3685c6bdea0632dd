"""Imports go down the floors only."""

import ast
import pathlib
import subprocess
import sys

import pytest

import keras_longformer

PACKAGE = pathlib.Path(__file__).parents[1] / "keras_longformer"

FLOORS = {
    "cli": 8,
    "finetune": 7,
    "pretrain": 7,
    "explanations": 7,
    "tasks": 6,
    "serving": 5,
    "training": 4,
    "models": 4,
    "layers": 3,
    "portable": 3,
    "ops": 2,
    "tokenizers": 2,
    "text": 1,
    "weights": 1,
    "data": 1,
    "client": 2,
    "native": 0,
    "unfinished": 0,
}

# What may be imported besides one's own folder, where the floor alone does
# not say it.
ALLOWED = {
    "tokenizers": {"text", "weights", "unfinished"},
    "text": set(),
    "weights": {"unfinished"},
    "data": {"unfinished"},
    "client": {"text"},
    "native": set(),
    "unfinished": set(),
}


def imports(path):
    """Folders of ours that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            if top == "keras_longformer":
                yield rest.partition(".")[0]


FILES = sorted(
    str(path.relative_to(PACKAGE)) for path in PACKAGE.glob("*/**/*.py")
)


@pytest.mark.parametrize("file", FILES)
def test_imports_go_down(file):
    own = file.split("/")[0]
    for other in imports(PACKAGE / file):
        if other == own:
            continue
        assert FLOORS[other] < FLOORS[own], (
            f"{file} (floor {FLOORS[own]}) imports {other} "
            f"(floor {FLOORS[other]})"
        )
        assert other in ALLOWED.get(own, FLOORS), f"{file} imports {other}"
        if other == "native":
            assert file in ("ops/native_cpu.py", "ops/native_gpu.py")


def test_every_folder_has_a_floor():
    folders = {file.split("/")[0] for file in FILES}
    assert folders == set(FLOORS)


def test_front_door_lists_names_only():
    """`from ... import X as X`, and nothing else; the list beside it agrees."""
    tree = ast.parse((PACKAGE / "front_door.py").read_text(encoding="utf-8"))
    docstring, *body = tree.body
    names = []
    for node in body:
        assert isinstance(node, ast.ImportFrom)
        assert all(alias.name == alias.asname for alias in node.names)
        names += [alias.name for alias in node.names]
    assert sorted(names) == keras_longformer.__all__
    assert set(names) <= set(dir(keras_longformer))


LAZY = """
import sys
import keras_longformer
from keras_longformer import client
from keras_longformer.native import source_files
heavy = {"tensorflow", "keras", "keras_hub", "h5py"} & set(sys.modules)
assert not heavy, heavy
try:
    keras_longformer.LongformerNothing
except AttributeError as error:
    assert "LongformerNothing" in str(error)
assert "LongformerBackbone" in dir(keras_longformer)
FIRST
import keras
name = "keras_longformer>LongformerTextClassifier"
assert keras.saving.get_registered_object(name) is not None
assert keras_longformer.LongformerBackbone.__name__ == "LongformerBackbone"
assert keras.__spec__.loader is keras.__loader__
"""


@pytest.mark.parametrize(
    "first",
    ["from keras_longformer import LongformerBackbone", "import keras"],
)
def test_front_door_waits_for_the_first_name(first):
    """Neither the package nor the client imports TensorFlow; the first name
    does, or the first `import keras`, and `load_model` finds all classes."""
    subprocess.run(
        [sys.executable, "-c", LAZY.replace("FIRST", first)], check=True
    )
