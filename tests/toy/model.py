"""How urgent and how polite a text is."""

import keras
import keras_hub

from keras_longformer.layers.pooling import LongformerPooling
from keras_longformer.tasks.task import LongformerTask
from tests.toy.preprocessor import TonePreprocessor
from tests.toy.served import ToneAnswer


@keras.saving.register_keras_serializable(package="toy")
class ToneRater(LongformerTask, keras_hub.models.Task):
    """Two numbers between 0 and 1 for each text."""

    preprocessor_cls = TonePreprocessor
    served_cls = ToneAnswer
    default_max_global_tokens = 3
    head_weights = ("tone/*",)

    def __init__(self, backbone, preprocessor=None, **kwargs):
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.pooling = LongformerPooling("mean", dtype="float32")
        self.tone = keras.layers.Dense(2, activation="sigmoid", name="tone")
        inputs = backbone.input
        states = backbone.sequence_output(inputs)
        outputs = self.tone(self.pooling(states, inputs["padding_mask"]))
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    def default_loss(self):
        return keras.losses.BinaryCrossentropy()
