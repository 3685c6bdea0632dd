"""Losses that pull the embeddings of a pair together."""

import keras
from keras import ops


def cosine_similarities(a, b):
    """Returns float32 `(..., q, k)` for `a` `(..., q, m)`, `b` `(..., k, m)`.

    A vector of length 0 is similar to none.
    """
    return ops.matmul(_unit(a), ops.swapaxes(_unit(b), -1, -2))


@keras.saving.register_keras_serializable(package="keras_longformer")
class SimilarityLoss(keras.losses.Loss):
    """The squared difference of a pair's cosine similarity and its score.

    Takes scores `(b,)`, from -1 to 1, and embeddings `(b, 2, m)`.

    Reference: [Reimers and Gurevych, 2019](https://arxiv.org/abs/1908.10084).
    """

    def __init__(self, name="similarity", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        if y_pred.shape[1] != 2:
            raise ValueError(
                "Scores are for pairs of texts. Received: tuples of "
                f"{y_pred.shape[1]}."
            )
        similarity = cosine_similarities(y_pred[:, :1], y_pred[:, 1:])
        score = ops.reshape(ops.cast(y_true, "float32"), (-1,))
        return ops.square(similarity[:, 0, 0] - score)


@keras.saving.register_keras_serializable(package="keras_longformer")
class RankingLoss(keras.losses.Loss):
    """Tells each text's partner from all others of the batch.

    Cross-entropy over the cosine similarities, divided by `temperature`, of a
    row's first text to every row's second, of which its own is right. Texts
    after the second, such as hard negatives, are further wrong ones.

    Takes embeddings `(b, t, m)`; the targets are not looked at.

    Reference: [Henderson et al., 2017](https://arxiv.org/abs/1705.00652), 4.4;
    [van den Oord et al., 2018](https://arxiv.org/abs/1807.03748).
    """

    compares_rows = True  # So that no two devices can share a batch.

    def __init__(self, temperature=0.05, name="ranking", **kwargs):
        super().__init__(name=name, **kwargs)
        self.temperature = temperature

    def call(self, y_true, y_pred):
        first = y_pred[:, 0]
        others = ops.concatenate(
            [y_pred[:, i] for i in range(1, y_pred.shape[1])], axis=0
        )
        logits = cosine_similarities(first, others) / self.temperature
        return keras.losses.sparse_categorical_crossentropy(
            ops.arange(ops.shape(logits)[0]), logits, from_logits=True
        )

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}


def _unit(x):
    return ops.normalize(ops.cast(x, "float32"), axis=-1)
