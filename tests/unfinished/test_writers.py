"""Every writer leaves the old or the new, whatever happens to it."""

import ast
import logging
import os
import pathlib
import resource

import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.training.corpus.records import write_manifest
from keras_longformer.training.corpus.records import write_shard
from keras_longformer.training.resume import TrainingStates
from keras_longformer.unfinished import PREFIX
from keras_longformer.unfinished import places
from tests.tasks import small

PACKAGE = pathlib.Path(klf.__file__).parent


@pytest.fixture(scope="module")
def model():
    model = small.make_classifier()
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def export(model, path):
    klf.export_saved_model(model, path, buckets=[64], batch_sizes=[1])


def save_model_garden(model, path):
    quirks = ["epsilon", "approximate_gelu"]
    klf.save_model_garden(model.backbone, path, quirks=quirks)


def write_corpus(model, path):
    os.makedirs(path, exist_ok=True)
    documents = [(np.arange(3000), 9000)]
    shard = os.path.join(path, "shard-00000.tfrecord")
    facts = write_shard(shard, documents)
    write_manifest(path, model.preprocessor.tokenizer, [facts])


WRITERS = {
    "export_saved_model": export,
    "save_hugging_face": klf.save_hugging_face,
    "save_model_garden": save_model_garden,
    "save_to_preset": lambda model, path: model.save_to_preset(path),
    "save_to_preset of a tokenizer": lambda model, path: (
        model.preprocessor.tokenizer.save_to_preset(path)
    ),
    "training states": lambda model, path: TrainingStates(path).save(
        model, 1, {}
    ),
    "corpus": write_corpus,
}


def contents(folder):
    """Of files that are finished, by their paths."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not is_unfinished(path)
    }


def is_unfinished(path):
    return any(part.startswith(PREFIX) for part in path.parts)


def left(folder):
    return [path for path in folder.rglob(f"{PREFIX}*") if path.is_dir()]


class Killed(BaseException):
    """Nothing of ours catches it."""


@pytest.mark.parametrize("name", WRITERS)
def test_killed(name, model, tmp_path, monkeypatch, caplog):
    """Before the first and before another version is whole."""
    write, path = WRITERS[name], str(tmp_path / "target")
    if name in ("export_saved_model", "training states", "corpus"):
        os.makedirs(path)
    for _ in range(2):
        before = contents(tmp_path)

        def die(*arguments):
            raise Killed

        with monkeypatch.context() as patch:
            # All is written when it waits for the disk. As SIGKILL does, it
            # leaves what is there, and the lock is nobody's.
            patch.setattr(os, "fsync", die)
            patch.setattr(places, "_remove", lambda made: None)
            with pytest.raises(Killed):
                write(model, path)
        assert contents(tmp_path) == before
        (unfinished,) = left(tmp_path)
        caplog.clear()
        with caplog.at_level(logging.WARNING, "keras_longformer"):
            write(model, path)
        assert f"Cleared '{unfinished}'" in caplog.text
        assert not left(tmp_path) and len(contents(tmp_path)) >= len(before)
        if name == "export_saved_model":
            break  # It takes its time.


@pytest.mark.parametrize("name", WRITERS)
def test_no_room(name, model, tmp_path):
    """No file can be longer than a page: most cannot be written."""
    write, path = WRITERS[name], str(tmp_path / "target")
    os.makedirs(path)
    (tmp_path / "target" / "mine").write_text("mine")
    before = contents(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        with pytest.raises(Exception) as caught:
            write(model, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert isinstance(caught.value, OSError | tf.errors.OpError) or (
        "arge" in str(caught.value)  # "File too large", by safetensors.
    ), repr(caught.value)
    assert contents(tmp_path) == before
    assert not left(tmp_path)


# Where names are given to files that are finished. The kernel's builder, which
# runs before the package is installed, has a lock and names of its own; a
# pipeline of Beam's writes to file systems that know no locks.
RENAMING = {
    "native/build.py",
    "portable/export.py",
    "portable/openvino_file.py",
    "serving/publish.py",
    "training/corpus/beam.py",
    "training/corpus/records.py",
    "training/resume.py",
    "unfinished/places.py",
    "unfinished/whole.py",
}
NAMING = {"rename", "renames", "replace", "move"}


def test_nobody_else_renames():
    """`os.rename` and the like stand where a `place` is used."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            function = node.func
            if isinstance(function, ast.Attribute) and (
                function.attr in NAMING
                and isinstance(function.value, ast.Name)
                and function.value.id in ("os", "shutil", "FileSystems")
            ):
                found.add(str(path.relative_to(PACKAGE)))
    assert found == RENAMING
    for name in RENAMING - {"native/build.py", "portable/openvino_file.py"}:
        text = (PACKAGE / name).read_text("utf-8")
        assert "place" in text or "publish" in text or "beam" in name
