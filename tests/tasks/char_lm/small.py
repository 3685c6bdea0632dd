"""A small model with large weights, so that what it says differs."""

import keras
import numpy as np

import keras_longformer as klf

ALPHABET = "abcdefgh"
SMALL = {
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 23,
    "window_size": [6, 10],
    "dilation": [1, [3, 1]],
}


def make(alphabet=ALPHABET, scale=0.3, preprocessor=None, **config):
    tokenizer = klf.LongformerByteTokenizer(alphabet)
    keras.utils.set_random_seed(7)
    backbone = klf.LongformerDecoderBackbone(
        **{
            "vocabulary_size": tokenizer.vocabulary_size(),
            **SMALL,
            **config,
        }
    )
    generator = np.random.default_rng(5)
    for weight in backbone.trainable_weights:
        noise = generator.normal(0, scale, weight.shape)
        weight.assign(weight + noise.astype(weight.dtype))
    return klf.LongformerCharLM(
        backbone,
        klf.LongformerCharLMPreprocessor(
            tokenizer, **{"sequence_length": 16, **(preprocessor or {})}
        ),
    )


def text_of(n, seed=0):
    letters = np.random.default_rng(seed).integers(0, len(ALPHABET), n)
    return "".join(ALPHABET[i] for i in letters)
