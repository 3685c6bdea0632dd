"""How our models take their inputs, beyond what Keras does for each."""

import inspect

import keras


class LongformerInputs:
    """Lets `global_mask` be left out, and masks cross `tf.distribute`.

    A mixin before a `keras.Model`.
    """

    def __call__(self, inputs, *args, **kwargs):
        return super().__call__(fill_global_mask(inputs), *args, **kwargs)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Builds from one replica's share of the first batch.

        Keras 3.15 takes the mean over the replicas, which bool masks and
        strings do not have (and fails under `MultiWorkerMirroredStrategy`).
        """
        if self._distribute_strategy is None:
            return
        local = self._distribute_strategy.experimental_local_results
        if iterator is not None:
            for _, _, batches in iterator:
                data_batch = keras.tree.map_structure(
                    lambda value: local(value)[0],
                    next(batches),
                )
                break
        super()._maybe_symbolic_build(data_batch=data_batch)


def check_keywords(model, keywords, known=("name", "trainable")):
    """Raises `TypeError` for arguments that no constructor takes.

    Keras 3.15's functional models swallow them, and with them a misspelt
    `window_size`.
    """
    unknown = [name for name in keywords if name not in known]
    if unknown:
        takes = list(inspect.signature(type(model).__init__).parameters)
        raise TypeError(
            f"{type(model).__name__} has no argument "
            f"{', '.join(map(repr, unknown))}. It takes: "
            f"{', '.join([*takes[1:-1], *known])}."
        )


def fill_global_mask(inputs):
    """Lets `global_mask` be left out of a call's dictionary: no global tokens.

    Keras wants every input that a functional model names, though it may be
    `None`; where it calls the model with symbols, a mask of zeros stands in.
    """
    if not isinstance(inputs, dict) or "global_mask" in inputs:
        return inputs
    token_ids = inputs.get("token_ids")
    if isinstance(token_ids, keras.KerasTensor):
        mask = keras.ops.zeros_like(token_ids, dtype="bool")
    else:
        mask = None
    return {**inputs, "global_mask": mask}
