"""Which key a query may see, a softmax over just those keys, and dropout."""

import tensorflow as tf

# The logit of what cannot be chosen. Finite, so that a loss and a JSON answer
# are, and so that 0 times it is 0; e to it is 0.
EXCLUDED = -1e9


def band_mask(
    query_index: tf.Tensor,
    key_index: tf.Tensor,
    reach: int,
    dilation: int | tf.Tensor = 1,
    causal: bool = False,
) -> tf.Tensor:
    """Says which keys lie in each query's (dilated, causal) window.

    For `reach=1` and five tokens, row = query, 1 = seen:

        dilation=1    dilation=2    causal
        1 1 0 0 0     1 0 1 0 0     1 0 0 0 0
        1 1 1 0 0     0 1 0 1 0     1 1 0 0 0
        0 1 1 1 0     1 0 1 0 1     0 1 1 0 0
        0 0 1 1 1     0 1 0 1 0     0 0 1 1 0
        0 0 0 1 1     0 0 1 0 1     0 0 0 1 1

    Args:
        query_index: int32, positions of the queries.
        key_index: int32, positions of the keys; broadcasts against
            `query_index`.
        reach: int, keys seen on each side.
        dilation: int, or int32 tensor that broadcasts: the step between keys.
        causal: bool, whether keys after the query are hidden.

    Returns:
        bool, of the broadcast shape; `True` where the key is in the window.
    """
    steps = key_index - query_index
    visible = tf.abs(steps) <= reach * dilation
    if not (isinstance(dilation, int) and dilation == 1):
        visible &= tf.equal(steps % dilation, 0)
    if causal:
        visible &= steps <= 0
    return visible


def masked_softmax(scores: tf.Tensor, visible: tf.Tensor) -> tf.Tensor:
    """Softmax over the last axis, over exactly the visible entries.

    Args:
        scores: float `(..., k)`.
        visible: bool, broadcasts against `scores`.

    Returns:
        float `(..., k)`, 0 where not visible. A row with nothing visible is
        all 0, and so are its gradients.
    """
    # `where` before as well as after: the gradient of what is not chosen must
    # be finite too.
    lowest = scores.dtype.min
    scores = tf.where(visible, scores, lowest)
    highest = tf.reduce_max(scores, axis=-1, keepdims=True)
    highest = tf.stop_gradient(tf.maximum(highest, lowest))
    weights = tf.where(visible, tf.exp(scores - highest), 0)
    total = tf.reduce_sum(weights, axis=-1, keepdims=True)
    return tf.math.divide_no_nan(weights, total)


def drop(x: tf.Tensor, rate: float, seed: tf.Tensor | None) -> tf.Tensor:
    """Dropout that drops the same for the same seed, int32 `(2,)`.

    Eagerly, in a graph and under XLA; `rate` 0 or no seed drops nothing.
    """
    if not rate or seed is None:
        return x
    return tf.nn.experimental.stateless_dropout(
        x, rate, seed=seed, rng_alg="philox"
    )
