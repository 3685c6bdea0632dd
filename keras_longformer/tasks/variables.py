"""Variables of training, made before Keras traces what uses them.

Keras makes those of the optimizer and of the metrics while it traces the step,
and TensorFlow traces a function that made variables a second time: half of
what a first `fit` waits for.
"""

import keras
import tensorflow as tf


def make_variables(task, data: tf.data.Dataset, *, is_training: bool) -> None:
    """Builds the optimizer and the metrics of a compiled task.

    Args:
        task: one that makes its outputs as its graph says.
        data: the batches that it will be given.
        is_training: bool, whether the optimizer is needed.
    """
    if not task.compiled or tf.distribute.has_strategy():
        return
    if task.distribute_strategy is not tf.distribute.get_strategy():
        return  # Keras builds these itself, in the strategy's scope.
    optimizer = task.optimizer
    if is_training and optimizer is not None and not optimizer.built:
        optimizer.build(task.trainable_variables)
    metrics = task._compile_metrics
    if metrics is not None and not metrics.built:
        _, y, _ = keras.utils.unpack_x_y_sample_weight(data.element_spec)
        specs = tf.nest.flatten(y)
        if all(type(s) is tf.TensorSpec and s.shape.rank for s in specs):
            y = tf.nest.map_structure(_symbolic, y)
            metrics.build(y, task.output)


def _symbolic(spec):
    return keras.KerasTensor(tuple(spec.shape), spec.dtype.name)
