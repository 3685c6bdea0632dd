"""What KerasHub's own tests check of every model, over the table of tasks."""

import json

import keras
import keras_hub
import numpy as np
import pytest

from tests.tasks import small
from tests.tasks.table import KINDS
from tests.tasks.test_precision import inputs_of
from tests.tasks.test_precision import made

each = pytest.mark.parametrize("kind", KINDS, ids=str)


def as_json(layer):
    return json.dumps(keras.saving.serialize_keras_object(layer))


# Plain models that Keras clones have no sampler to compile with.
@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.name != "summarization"], ids=str
)
def test_model(kind):
    task = made(kind)
    inputs = inputs_of(kind.name)
    want = kind.call(task, inputs)
    # Configurations, there and back.
    again = keras.saving.deserialize_keras_object(json.loads(as_json(task)))
    assert again.get_config().keys() == task.get_config().keys()
    assert as_json(again.backbone) == as_json(task.backbone)
    again.set_weights(task.get_weights())
    np.testing.assert_array_equal(kind.call(again, inputs), want)
    # Keras clones any functional model layer by layer: plain models, whose
    # weights may come in another order.
    clone = keras.models.clone_model(task)
    assert clone.count_params() == task.count_params()
    if kind.name not in ("token_classification", "multiple_choice"):
        clone.set_weights(task.get_weights())
        # Nor are inputs optional any more.
        no_global = keras.ops.zeros(inputs["token_ids"].shape, "bool")
        everything = dict.fromkeys(task.input, no_global) | inputs
        np.testing.assert_allclose(
            kind.call(clone, everything), want, atol=1e-6
        )
    # Symbols.
    spec = task.compute_output_spec(task.input)
    assert spec.shape[-1] in (None, want.shape[-1])
    assert spec.dtype == "float32"
    # Layers.
    names = [layer.name for layer in task.layers]
    assert len(set(names)) == len(names)
    assert task.get_layer(task.backbone.name) is task.backbone
    block = task.backbone.get_layer("layer_0")
    assert block is task.backbone.transformer_layers[0]
    assert task.count_params() == sum(w.size for w in task.get_weights())
    lines = []
    task.summary(print_fn=lambda text, line_break=None: lines.append(text))
    assert "Total params" in "".join(lines)
    task.backbone.trainable = False
    of_backbone = {id(weight) for weight in task.backbone.weights}
    assert not of_backbone & {id(w) for w in task.trainable_weights}


def test_backbone():
    backbone = small.make_backbone()
    table = backbone.token_embedding
    assert isinstance(table, keras_hub.layers.ReversibleEmbedding)
    states = table(np.array([[1, 2, 3]]))
    assert table(states, reverse=True).shape == (1, 3, table.input_dim)
    assert as_json(type(backbone).from_config(backbone.get_config())) == (
        as_json(backbone)
    )


def test_presets_say_which_package(tmp_path, monkeypatch):
    """Also where nobody has imported it."""
    task = made(KINDS[0])
    task.save_to_preset(tmp_path / "preset")
    task.save(tmp_path / "task.keras")
    note = (tmp_path / "preset" / "requirements.txt").read_text()
    assert "import keras_longformer" in note
    metadata = json.loads((tmp_path / "preset" / "metadata.json").read_text())
    assert metadata["library"] == "keras_longformer"
    registered = keras.saving.get_custom_objects()
    for name in list(registered):
        if name.startswith("keras_longformer>"):
            monkeypatch.delitem(registered, name)
    with pytest.raises(ValueError, match="keras_longformer>Longformer"):
        keras_hub.models.TextClassifier.from_preset(str(tmp_path / "preset"))
    with pytest.raises(TypeError, match="keras_longformer"):
        keras.saving.load_model(tmp_path / "task.keras")
