"""Files of Keras's with code in them: refused, and nothing of it runs."""

import json
import pathlib

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
