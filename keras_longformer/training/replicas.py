"""A training step on several devices that is the step on one.

Keras 3.15 averages the means of the devices' shares of a batch, whatever
their sizes; clips each device's gradient before they are added; cannot
accumulate gradients; lets all devices drop the same; and its `fit` fails on
several machines (keras #20585). That is mended here; a backbone that is fitted
without a task builds by `models.call_inputs` alone.
"""

import contextlib

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from keras_longformer.training.distribution import gather
from keras_longformer.training.distribution import is_multi_worker

_MEANS = ("mean", "sum_over_batch_size")
_CLIPS = ("clipnorm", "global_clipnorm", "clipvalue")
# A prime that no seed of Keras's, at most 1e9, is likely to differ by.
_BETWEEN_SEEDS = 1_299_709
_SEED_LIMIT = 2**31 - 1  # Seeds are cast to int32 by our layers.


class TrainsOnReplicas:
    """A mixin of `keras.Model`: right under `tf.distribute` strategies.

    A batch is the batch of all devices together. Losses, metrics and weights
    are those of one device with that batch, up to rounding, whatever the
    devices' shares of it, with clipping and `gradient_accumulation_steps`.
    Each device drops other units. Gradients are added over devices once an
    update. On one device too, all that a table's row is told in a batch is one
    gradient, of which Adam and clipping take the square: Keras squares what
    each place where the row was looked up tells it.

    Under a strategy, `fit` and `evaluate` refuse what would be something else:
    `jit_compile=True`; a loss over pairs of a batch's rows; losses of several
    reductions; accumulation with `steps_per_execution`, averaged weights or
    scaled losses.

    Attributes:
        accumulated_batches: int, added up on each device since the last
            update, under a strategy.
    """

    accumulated_batches = 0
    _is_last = None  # Whether a batch ends in an update; `None`: Keras' own.

    def train_step(self, data):
        """Keras' `train_step`, on this device's share of the batch."""
        context = tf.distribute.get_replica_context()
        num = context.num_replicas_in_sync
        if self.optimizer is None:
            return super().train_step(data)
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        rows, factor = self._share(context, x, weight)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = factor * self._compute_loss(
                x, y, y_pred, weight, training=True
            )
            self._loss_tracker.update_state(loss * num, rows / num)
            loss = self.optimizer.scale_loss(loss)
        weights = self.trainable_weights
        pairs = [
            (_dense(g, w), w)
            for g, w in zip(tape.gradient(loss, weights), weights)
            if g is not None
        ]
        self._check_values(num, y, y_pred)
        if self._is_last is not None:
            self._update(context, *zip(*pairs))
        else:
            self.optimizer.apply_gradients(pairs or zip([None], weights))
        return self.compute_metrics(x, y, y_pred, sample_weight=weight)

    def test_step(self, data):
        """Keras' `test_step`, on this device's share of the batch."""
        context = tf.distribute.get_replica_context()
        num = context.num_replicas_in_sync
        if num == 1:
            return super().test_step(data)
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        rows, factor = self._share(context, x, weight)
        y_pred = self(x, training=False)
        loss = factor * self._compute_loss(x, y, y_pred, weight, training=False)
        self._loss_tracker.update_state(loss * num, rows / num)
        return self.compute_metrics(x, y, y_pred, sample_weight=weight)

    def make_train_function(self, force=False):
        """As Keras', and with accumulation one function for batches that are
        added up and one for those that end in an update."""
        before = self.train_function
        super().make_train_function(force)
        optimizer = self.optimizer
        if (
            self.train_function is before
            or self.distribute_strategy.num_replicas_in_sync == 1
            or not (_clips(optimizer) or _accumulates(optimizer))
        ):
            return
        every = optimizer.gradient_accumulation_steps or 1
        update = self.train_function
        add = self._make_function(self.train_step)

        def train_function(iterator):
            count = self.accumulated_batches + 1
            with self._updates(is_last=count == every):
                logs = (update if count == every else add)(iterator)
            self.accumulated_batches = count % every
            return logs

        self.train_function = train_function

    def _make_function(self, step_function):
        """Logs of rank 1: of several machines, Keras reduces their axis 0."""
        if not is_multi_worker(self.distribute_strategy):
            return super()._make_function(step_function)

        def step(data):
            return tree.map_structure(
                lambda v: tf.convert_to_tensor(v)[None], step_function(data)
            )

        return super()._make_function(step)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Builds from what batches look like, not from a mean of them."""
        if self._distribute_strategy is None:
            return
        self._check_supported()
        strategy = self.distribute_strategy
        if iterator is not None:
            spec = iterator._distributed_dataset.element_spec
            data_batch = tree.map_structure(_of_one_device, spec)
        with strategy.scope():
            self._symbolic_build(data_batch=data_batch)
        self._check_losses()
        self._begin_accumulating()
        _drop_differently(self, strategy)

    def _share(self, context, x, weight):
        """The rows of all devices, float32, and what this device's loss, a
        mean over its share and divided by the devices, is multiplied by."""
        first = next(t for t in tree.flatten(x) if t is not None)
        rows = tf.cast(tf.shape(first)[0], tf.float32)
        num = context.num_replicas_in_sync
        if num == 1:
            return rows, 1.0
        reduction = self._reductions()[0]
        own = rows
        if reduction == "mean_with_sample_weight" and weight is not None:
            own = tf.reduce_sum(tf.cast(weight, tf.float32))
        all_rows, total = context.all_reduce("SUM", [rows, own])
        if reduction == "sum":
            return all_rows, 1.0
        return all_rows, num * tf.math.divide_no_nan(own, total)

    def _reductions(self):
        losses = self._compile_loss and self._compile_loss._flat_losses
        return [loss.reduction for _, loss, *_ in losses or ()] or [_MEANS[0]]

    @contextlib.contextmanager
    def _updates(self, is_last):
        """Keras' optimizer as one that is given sums over all devices."""
        optimizer = self.optimizer

        def apply(gradients, weights):
            optimizer._apply_weight_decay(weights)
            rate = optimizer.learning_rate
            optimizer._backend_update_step(gradients, weights, rate)

        mended = {
            "_backend_apply_gradients": apply,
            "_all_reduce_sum_gradients": lambda pairs: pairs,
        }
        self.__dict__["_is_last"] = is_last
        optimizer.__dict__.update(mended)
        try:
            yield
        finally:
            del self.__dict__["_is_last"]
            for name in mended:
                del optimizer.__dict__[name]

    def _update(self, context, gradients, weights):
        """Adds gradients up, on this device and then over all, and applies
        what that gives."""
        optimizer = self.optimizer
        steps = optimizer.gradient_accumulation_steps or 1
        sums = []
        if steps > 1:
            # Each device's copy holds its own sum, as dropout's states do.
            index = optimizer._get_variable_index
            sums = [optimizer._accumulated_gradients[index(w)] for w in weights]
            gradients = [g + own for g, own in zip(gradients, sums)]
        if not self._is_last:
            for own, g in zip(sums, gradients):
                own.assign(g)
            optimizer._iterations.assign_add(1)
            return
        gradients = context.all_reduce("SUM", gradients)
        gradients = [g / steps for g in gradients]
        optimizer.apply(_clipped(optimizer, gradients), weights)
        for own in sums:
            own.assign(tf.zeros_like(own))

    def _begin_accumulating(self):
        optimizer = self.optimizer
        if not _accumulates(optimizer) or self.accumulated_batches:
            return
        done = int(optimizer._iterations.numpy())
        if done % optimizer.gradient_accumulation_steps:
            raise ValueError(
                f"The state that was loaded lies between two updates: {done} "
                "batches, with gradient_accumulation_steps="
                f"{optimizer.gradient_accumulation_steps}. Go on from one "
                "that was saved after an update."
            )

    def _check_supported(self):
        strategy, optimizer = self.distribute_strategy, self.optimizer
        if strategy.num_replicas_in_sync == 1:
            return
        what = None
        if self.jit_compile is True:
            what = "`jit_compile=True`: compile with `jit_compile=False`"
        elif _is_scaling(optimizer) and (
            _clips(optimizer.inner_optimizer)
            or _accumulates(optimizer.inner_optimizer)
        ):
            what = (
                "clipping or `gradient_accumulation_steps` with loss scaling: "
                'take dtype="mixed_bfloat16", which needs none'
            )
        elif _accumulates(optimizer) and self.steps_per_execution > 1:
            what = (
                "`gradient_accumulation_steps` with `steps_per_execution`: "
                "leave out the second"
            )
        elif (
            _clips(optimizer) or _accumulates(optimizer)
        ) and optimizer.use_ema:
            what = "clipping or `gradient_accumulation_steps` with `use_ema`"
        if what is not None:
            raise ValueError(
                f"{type(strategy).__name__} with "
                f"{strategy.num_replicas_in_sync} devices does not support "
                f"{what}."
            )

    def _check_losses(self):
        num = self.distribute_strategy.num_replicas_in_sync
        reductions = set(self._reductions())
        means = reductions <= set(_MEANS)
        if num == 1 or means:
            pass
        elif len(reductions) > 1 or reductions & {None, "none"}:
            raise ValueError(
                "On several devices all losses must have one reduction, of "
                '"sum_over_batch_size", "mean_with_sample_weight", "sum". '
                f"Received: {sorted(map(str, reductions))}."
            )
        if num == 1:
            return
        for _, loss, *_ in self._compile_loss._flat_losses or ():
            if getattr(loss, "compares_rows", False):
                raise ValueError(
                    f"{type(loss).__name__} compares each row with all others "
                    f"of the batch, and {num} devices see a share of it each: "
                    "the loss would be another. Train on one device."
                )

    def _check_values(self, num, y, y_pred):
        """Raises `ValueError` for a loss that reduced itself, which nobody
        divided by the devices."""
        losses = self._compile_loss and self._compile_loss._flat_losses
        if num == 1 or not losses or len(losses) > 1:
            return
        ((_, loss, *_),) = losses
        if getattr(y_pred, "_keras_mask", None) is not None:
            raise ValueError(
                "On several devices a model's outputs may have no Keras mask: "
                "give `sample_weight`."
            )
        values = loss.call(
            *(
                tree.map_structure(tf.convert_to_tensor, part)
                for part in (y, y_pred)
            )
        )
        if values.shape.rank == 0:
            raise ValueError(
                f"The loss '{loss.name}' reduces the batch itself, to a "
                "scalar. On several devices return a value for each row, "
                "`(b,)`; Keras takes the mean."
            )


def _dense(gradient, weight):
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    return tf.math.unsorted_segment_sum(
        gradient.values, gradient.indices, weight.shape[0]
    )


def _clipped(optimizer, gradients):
    if optimizer.clipnorm:
        limit = optimizer.clipnorm
        return [tf.clip_by_norm(g, limit) for g in gradients]
    if optimizer.global_clipnorm:
        limit = optimizer.global_clipnorm
        return tf.clip_by_global_norm(gradients, limit)[0]
    if optimizer.clipvalue:
        limit = optimizer.clipvalue
        return [tf.clip_by_value(g, -limit, limit) for g in gradients]
    return gradients


def _drop_differently(model, strategy):
    """Gives each device seeds of its own, which follow from the chief's."""
    if strategy.num_replicas_in_sync == 1:
        return
    states = [
        variable.value
        for variable in model.variables
        if variable.name == "seed_generator_state"
    ]
    if not states:
        return
    mine = np.concatenate([state.numpy() for state in states])
    chief = gather(strategy, mine)[0].reshape(-1, 2)

    def assign():
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        offset = tf.cast(number, tf.int64) * _BETWEEN_SEEDS
        for state, (seed, count) in zip(states, chief):
            seed = tf.math.floormod(seed + offset, _SEED_LIMIT)
            state.assign(tf.cast(tf.stack([seed, count]), state.dtype))

    tf.function(strategy.run)(assign)


def _of_one_device(spec):
    """The spec of a batch's share, as Keras builds from; `None` of nothing."""
    if isinstance(spec, tf.distribute.DistributedValues):
        return spec
    values = getattr(spec, "_value_specs", None)
    spec = spec if values is None else values[0]
    return spec if isinstance(spec, tf.TensorSpec) else None


def _clips(optimizer):
    return any(getattr(optimizer, name, None) for name in _CLIPS)


def _accumulates(optimizer):
    return (getattr(optimizer, "gradient_accumulation_steps", None) or 1) > 1


def _is_scaling(optimizer):
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
