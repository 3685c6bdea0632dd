"""A user's task: a head of its own names, with no edit in the package."""

import keras
import keras_hub
import numpy as np
import pytest

import keras_longformer as klf
from keras_longformer.tasks.task import LongformerTask
from keras_longformer.weights.names import DENSE
from tests.golden.reading import GOLDEN


@keras.saving.register_keras_serializable(package="tests")
class Sentiment(LongformerTask, keras_hub.models.Task):
    """One number, by a layer that no table of ours has."""

    head_modules = (("own_score", "own_score", DENSE),)

    def __init__(self, backbone, preprocessor=None, **kwargs):
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.score = keras.layers.Dense(1, name="own_score")
        inputs = backbone.input
        outputs = self.score(backbone.sequence_output(inputs)[:, 0])
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)


@pytest.mark.parametrize(
    "name", ["longformer-base", "roberta-classifier", "longformer-masked_lm"]
)
def test_opens_any_checkpoint_and_is_kept(name, tmp_path, caplog):
    assert Sentiment.head_weights == ("own_score/kernel", "own_score/bias")
    task = Sentiment.from_preset(str(GOLDEN / name), preprocessor=None)
    assert "own_score/bias, own_score/kernel" in caplog.text
    task.save_to_preset(tmp_path)
    again = Sentiment.from_preset(str(tmp_path), preprocessor=None)
    for one, other in zip(task.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    with pytest.raises(ValueError, match="no class for Sentiment"):
        klf.save_hugging_face(task, tmp_path / "new")
    assert not (tmp_path / "new").exists()
