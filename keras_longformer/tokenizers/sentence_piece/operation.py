"""TensorFlow Text's operation on a SentencePiece model.

`tensorflow_text.SentencepieceTokenizer` does the same, but the model that it
holds is gone as soon as TensorFlow clears its caches, which each
`keras.utils.set_random_seed` does: then its tokenizers fail with "Resource ...
does not exist". A model with a name of its own stays.
"""

import uuid

import tensorflow as tf

from keras_longformer.tokenizers.sentence_piece.model import import_extra


def _operations():
    module = "tensorflow_text.python.ops.sentencepiece_tokenizer"
    return import_extra(module).gen_sentencepiece_tokenizer


class SentencePieceOperation(tf.Module):
    """A model as the operation reads it.

    It must be tracked by what a SavedModel is made of.

    Args:
        proto: bytes of the model.

    Raises:
        ValueError: SentencePiece cannot run it.
    """

    def __init__(self, proto: bytes):
        super().__init__()
        self._model = _Model(_operations(), proto)
        try:
            with tf.init_scope(), tf.device("CPU"):
                _ = self._model.resource_handle  # Makes it.
        except tf.errors.OpError as error:
            raise ValueError(
                f"SentencePiece cannot run this model: {error.message}"
            ) from error

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns int32 ragged `(b, None)`, the pieces of `(b,)` texts."""
        pieces, splits = _operations().sentencepiece_tokenize_op(
            *self._arguments(texts)
        )
        return _ragged(pieces, splits)

    def tokenize_with_offsets(self, texts: tf.Tensor):
        """Returns pieces, and the bytes where each starts and ends, int32
        ragged `(b, None)` each."""
        pieces, splits, starts, ends = (
            _operations().sentencepiece_tokenize_with_offsets_op(
                *self._arguments(texts)
            )
        )
        starts, ends = (tf.cast(x, tf.int32) for x in (starts, ends))
        return tuple(_ragged(x, splits) for x in (pieces, starts, ends))

    def _arguments(self, texts):
        """Returns the model, texts, and: the best pieces, as they are."""
        return (self._model.resource_handle, texts, 0, 1.0, False, False, False)


class _Model(tf.saved_model.experimental.TrackableResource):
    """The model that the operation's kernel has read."""

    def __init__(self, operations, proto: bytes):
        super().__init__()
        self._operations, self._proto = operations, proto

    def _create_resource(self):
        return self._operations.sentencepiece_op(
            model=self._proto, shared_name=uuid.uuid4().hex
        )

    def _destroy_resource(self):
        # A SavedModel's is not destroyed: who loads it twice has one of it.
        if tf.executing_eagerly() and self._resource_handle is not None:
            tf.raw_ops.DestroyResourceOp(
                resource=self._resource_handle, ignore_lookup_error=True
            )


def _ragged(values, splits):
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)
