"""What an exported embedder returns."""

import numpy as np
import tensorflow as tf

import keras_longformer as klf
from tests.serving import exports
from tests.tasks import small


def test_embeddings(tmp_path):
    task = klf.LongformerEmbedder(
        small.make_backbone(),
        preprocessor=klf.LongformerEmbedderPreprocessor(
            small.shared_tokenizer(), sequence_length=64
        ),
    )
    exported = exports.export(
        small.scaled(task), tmp_path, over_long="windows", **exports.QUICK
    )
    call = exported.signature("serving_default")
    got = call(text=tf.constant(small.TEXTS))["embedding"]
    want = task.predict_windows(small.TEXTS, verbose=0)
    np.testing.assert_allclose(got, want, atol=1e-4)
    embed = exported.signature("embed")(text=tf.constant(small.TEXTS))
    np.testing.assert_allclose(embed["mean_embedding"], want, atol=1e-4)
