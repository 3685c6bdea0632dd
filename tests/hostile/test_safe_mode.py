"""Files of Keras's with code in them: refused, and nothing of it runs."""

import json
import pathlib

import h5py
import keras
import pytest

import keras_longformer as klf
from tests.tasks import small


@pytest.fixture
def harm(tmp_path):
    """A layer whose code would leave a file, and that file's path."""
    trace = tmp_path / "ran"

    def code(x, path=str(trace)):
        open(path, "w").close()
        return x

    return keras.layers.Lambda(code, name="code", output_shape=(3,)), trace


def test_keras_file(harm, tmp_path):
    layer, trace = harm
    path = tmp_path / "model.keras"
    inputs = keras.Input((3,))
    keras.Model(inputs, layer(inputs)).save(path)
    trace.unlink(missing_ok=True)
    with pytest.raises((TypeError, ValueError), match="Lambda|unsafe|lambda"):
        keras.models.load_model(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    "file, where",
    [
        ("config.json", ()),
        ("task.json", ("config", "pooled_activation")),
        ("task.json", ("config", "preprocessor")),
        ("task.json", ("config", "backbone")),
    ],
)
def test_preset(harm, tmp_path, file, where):
    layer, trace = harm
    folder = tmp_path / "preset"
    _saved(folder)
    path = folder / file
    document = json.loads(path.read_text("utf-8"))
    config = keras.saving.serialize_keras_object(layer)
    if where:
        document[where[0]][where[1]] = config
    else:
        document = config
    path.write_text(json.dumps(document), "utf-8")
    with pytest.raises((TypeError, ValueError), match=str(folder)):
        klf.LongformerTextClassifier.from_preset(str(folder))
    assert not trace.exists()


def _saved(folder: pathlib.Path):
    small.make_classifier().save_to_preset(str(folder))


@pytest.mark.parametrize("kind", ["int32", "uint8", "bool"])
def test_weights_of_another_kind(kind, preset):
    folder = preset
    path = folder / "model.weights.h5"
    with h5py.File(path, "r+") as file:
        (name,) = [
            name
            for name in names_of(file)
            if name.endswith("token_embedding/vars/0")
        ]
        value = file[name][()]
        del file[name]
        file[name] = value.astype(kind)
    for opener in (klf.LongformerTextClassifier, klf.LongformerBackbone):
        with pytest.raises(ValueError, match=f"model.weights.h5' has {kind}"):
            opener.from_preset(str(folder))


def names_of(file):
    found = []
    file.visit(found.append)
    return found


@pytest.fixture
def preset(tmp_path):
    _saved(tmp_path / "preset")
    return tmp_path / "preset"


def test_whoever_reads_a_layer_refuses_it(harm, preset):
    """What a task passes over."""
    layer, trace = harm
    config = keras.saving.serialize_keras_object(layer)
    for file, opener in (
        ("config.json", klf.LongformerBackbone),
        ("preprocessor.json", klf.LongformerTextClassifierPreprocessor),
    ):
        document = json.loads((preset / file).read_text("utf-8"))
        document["config"]["intermediate_activation"] = config
        (preset / file).write_text(json.dumps(document), "utf-8")
        with pytest.raises((TypeError, ValueError)):
            opener.from_preset(str(preset))
    assert not trace.exists()
