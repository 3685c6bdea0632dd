"""`fit`, `evaluate` and `predict` on texts, of every task."""

import keras
import numpy as np
import tensorflow as tf

from keras_longformer.models.plain_errors import says_plainly
from keras_longformer.tasks import batches
from keras_longformer.tasks.by_length import restored
from keras_longformer.tasks.class_labels import Classes
from keras_longformer.tasks.labels import Labels
from keras_longformer.tasks.reading import check_elements
from keras_longformer.tasks.reading import read_examples
from keras_longformer.tasks.source import Plan
from keras_longformer.tasks.source import Source
from keras_longformer.tasks.source import class_weigher
from keras_longformer.tasks.variables import make_variables
from keras_longformer.text.columns import is_text
from keras_longformer.training.distribution import agree_on_order
from keras_longformer.training.distribution import is_multi_worker
from keras_longformer.training.distribution import says_lost_workers


class FitsTexts:
    """Keras' `fit` and its kin on texts; a mixin before a KerasHub task.

    A task says two facts: its `labels`, and, through its preprocessor's
    `takes`, what its texts are. KerasHub's own methods shuffle nothing and
    read only what `tf.data` makes tensors of.
    """

    labels = Labels()
    # Whether texts of like length may be together in a batch.
    batches_by_length = True

    @says_lost_workers
    @says_plainly
    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
        tokens_per_batch=None,
    ):
        """Keras' `fit` on raw texts.

        What `x` and `y` are, by task:

            task                x                         y
            text classifier     texts, or pairs           classes `(b,)`
              "multi_label"     the same                  0 or 1 `(b, classes)`,
                                                          or lists of names
              "regression"      the same                  numbers `(b,)`
            token classifier    words in lists of lists,  a class for each word,
                                or texts                  in lists of lists
            multiple choice     dict of `"choices"`,      indices of the right
                                lists of lists, and of    choices `(b,)`
                                `"question"`, `"context"`
            question answering  dict of `"question"` and  dict of `"text"` and
                                `"context"`, or a tuple   `"start"`, one or more
            embedder            `(texts, partners)`       none, or for
                                                          "similarity" scores
            masked LM           texts, or pairs           none

        Texts, labels and weights are each a list, a tuple, a NumPy array (of
        `str`, bytes or objects), a column of a pandas or Polars data frame, or
        a tensor. A tuple of *columns* is a pair, `(texts, others)`; a tuple of
        strings is a list of texts, and where it could be one pair as well, it
        is refused. A data frame stands for the dict of its columns, and one
        string for a list of one. Classes are given by index, or by name where
        the task has `class_names`, also in `class_weight`.

        Or `x` alone is batches of `(x, y)` or `(x, y, sample_weight)`: a
        `tf.data.Dataset`, a generator, a `keras.utils.PyDataset`, a Grain
        dataset, a PyTorch `DataLoader`. Without labels a batch is `x` or
        `(x,)`, and of a pair `((texts, others),)`.

        Args:
            x, y, sample_weight: as above.
            batch_size: int, of what is in memory; 32 by default.
            epochs, verbose, callbacks, class_weight, initial_epoch,
                steps_per_epoch, validation_steps, validation_freq: as for
                `keras.Model.fit`.
            validation_split: float, the last part of what is in memory, held
                out before anything is shuffled.
            validation_data: `(x, y)` or `(x, y, sample_weight)` of the same
                kinds as those of `fit`, or batches; without labels `x`.
            shuffle: whether texts in memory are shuffled for each epoch, and
                the batches of a `PyDataset`. Texts of like length come
                together: of a quarter of the batches, at most 50, drawn at
                random, they are sorted, and the batches then shuffled, so that
                little is padding. Where a batch's texts are told from each
                other (an embedder's "ranking"), they are not. `"batch"`: whole
                batches of texts, as they come. Other batches keep their order.
            validation_batch_size: int; by default `batch_size`.
            tokens_per_batch: int, instead of `batch_size`: a batch is as many
                texts of like length as fit into so many tokens, padding
                included, few long or many short ones, also of
                `validation_data`. Memory and time of a step are then nearly
                the same in all of them. As each step is the mean over its
                batch, a short text weighs less than a long one.

        Returns:
            Keras' `History`.

        Raises:
            TypeError, ValueError: say what to write instead.
            InvalidArgumentError: of a dataset: which labels are wrong.
        """
        options = {
            "epochs": epochs,
            "verbose": verbose,
            "callbacks": callbacks,
            "initial_epoch": initial_epoch,
            "steps_per_epoch": steps_per_epoch,
            "validation_steps": validation_steps,
            "validation_freq": validation_freq,
        }
        if shuffle:
            agree_on_order(self.distribute_strategy)
        if self.preprocessor is None:
            _refuse_tokens_per_batch(tokens_per_batch)
            self._check_packed(y)
            return keras.Model.fit(
                self,
                self._checked_dataset(x),
                y,
                batch_size=batch_size,
                validation_split=validation_split,
                validation_data=validation_data,
                shuffle=shuffle and not isinstance(x, tf.data.Dataset),
                class_weight=class_weight,
                sample_weight=sample_weight,
                validation_batch_size=validation_batch_size,
                **options,
            )
        source = self._source("fit", x, y, sample_weight)
        held_out = None
        if validation_data is not None:
            held_out = self._source(
                "validation_data", *self._unpacked_validation(validation_data)
            )
        elif validation_split:
            source, held_out = source.split(validation_split)
        source.check_epochs(epochs - initial_epoch, steps_per_epoch)
        if held_out is not None:
            held_out.check_epochs(epochs - initial_epoch, validation_steps)
        self._fitted_on(source.structure())
        weigh = class_weigher(self, class_weight, sample_weight)
        data, _ = source.batches(
            Plan(batch_size, tokens_per_batch, shuffle), weigh
        )
        if held_out is not None:
            plan = Plan(validation_batch_size)
            if plan.batch_size is None and held_out.examples is not None:
                plan = Plan(batch_size, tokens_per_batch)
            options["validation_data"], _ = held_out.batches(plan)
        make_variables(self, data, is_training=True)
        streams = source.stream, held_out and held_out.stream
        with batches.plain_errors(data, steps_per_epoch, *streams):
            return keras.Model.fit(self, data, shuffle=False, **options)

    @says_lost_workers
    @says_plainly
    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
        tokens_per_batch=None,
        **kwargs,
    ):
        """Keras' `evaluate`, on what `fit` takes, in the order given.

        With `tokens_per_batch` texts in memory come by length: see `fit`.
        """
        options = {
            "verbose": verbose,
            "steps": steps,
            "callbacks": callbacks,
            "return_dict": return_dict,
            **kwargs,
        }
        # Keras evaluates what `fit` made of `validation_data`.
        if self.preprocessor is None or kwargs.get("_use_cached_eval_dataset"):
            _refuse_tokens_per_batch(tokens_per_batch)
            if not kwargs:
                self._check_packed(y)
                x = self._checked_dataset(x)
            return keras.Model.evaluate(
                self,
                x,
                y,
                batch_size=batch_size,
                sample_weight=sample_weight,
                **options,
            )
        source = self._source("evaluate", x, y, sample_weight)
        data, _ = source.batches(Plan(batch_size, tokens_per_batch))
        make_variables(self, data, is_training=False)
        with batches.plain_errors(data, steps, source.stream):
            return keras.Model.evaluate(self, data, **options)

    @says_lost_workers
    @says_plainly
    def predict(
        self,
        x,
        batch_size=None,
        verbose="auto",
        steps=None,
        callbacks=None,
        tokens_per_batch=None,
    ):
        """Keras' `predict`, on the texts that `fit` takes.

        Texts in memory go through the model sorted by length, where what it
        gives is no longer for longer texts; what comes back is in their order.
        `tokens_per_batch` is as for `fit`.
        """
        options = {"verbose": verbose, "steps": steps, "callbacks": callbacks}
        if self.preprocessor is None:
            _refuse_tokens_per_batch(tokens_per_batch)
            return keras.Model.predict(
                self, x, batch_size=batch_size, **options
            )
        source = self._source("predict", x)
        may_reorder = not (callbacks or steps or _grows(self))
        if tokens_per_batch is not None and not may_reorder:
            raise ValueError(
                "With `tokens_per_batch` texts go through the model by length, "
                "which `steps` and `callbacks` would see, and outputs that are "
                "longer for longer texts. Give `batch_size`."
            )
        data, order = source.batches(
            Plan(batch_size, tokens_per_batch, may_reorder=may_reorder)
        )
        # Keras would widen one graph for both to tensors of unknown rank.
        ranks = [spec.shape.rank for spec in tf.nest.flatten(data.element_spec)]
        if ranks != getattr(self, "_predicted_ranks", ranks):
            self.predict_function = None
        self._predicted_ranks = ranks
        with batches.plain_errors(data, steps, source.stream):
            outputs = keras.Model.predict(self, data, **options)
        return outputs if order is None else restored(outputs, order)

    @says_plainly
    def train_on_batch(
        self, x, y=None, sample_weight=None, class_weight=None, **kwargs
    ):
        """Keras' `train_on_batch`, on one batch of what `fit` takes."""
        if self.preprocessor is None:
            self._check_packed(y)
            return keras.Model.train_on_batch(
                self, x, y, sample_weight, class_weight, **kwargs
            )
        source = self._source("fit", x, y, sample_weight)
        weigh = class_weigher(self, class_weight, sample_weight)
        return keras.Model.train_on_batch(
            self, *self._batch(source, weigh), **kwargs
        )

    @says_plainly
    def test_on_batch(self, x, y=None, sample_weight=None, **kwargs):
        """Keras' `test_on_batch`, on one batch of what `fit` takes."""
        if self.preprocessor is None:
            self._check_packed(y)
            return keras.Model.test_on_batch(
                self, x, y, sample_weight, **kwargs
            )
        source = self._source("evaluate", x, y, sample_weight)
        return keras.Model.test_on_batch(self, *self._batch(source), **kwargs)

    @says_plainly
    def predict_on_batch(self, x):
        """Keras' `predict_on_batch`, on one batch of texts."""
        if self.preprocessor is not None:
            x = self._batch(self._source("predict", x))[0]
        return keras.Model.predict_on_batch(self, x)

    def preprocess_samples(self, x, y=None, sample_weight=None):
        """Texts to inputs, in a graph; labels are checked."""
        labels = self.labels
        y = labels.of_texts(x) if y is None else labels.in_graph(y, x)
        return super().preprocess_samples(x, y, sample_weight)

    def read_texts(self, x):
        """Returns texts of any kind, all of them, as the preprocessor takes
        them: string tensors.

        Args:
            x: what `predict` takes. Datasets and other batches are put
                together.
        """
        kind = batches.kind_of(x)
        if kind == "dataset":
            if x.cardinality() == tf.data.INFINITE_CARDINALITY:
                raise ValueError(
                    "The dataset has no end: write `dataset.take(...)`."
                )
            check_elements(x.element_spec, self._takes, self.labels)
        elif kind != "stream":
            return self._source("predict", x).examples.x
        else:
            x = map(self._read_batch_x, x)
        parts = [batches.unpacked(batch)[0] for batch in x]
        if not parts:
            raise ValueError("There are no texts: no batch came.")
        return tf.nest.map_structure(lambda *p: tf.concat(p, 0), *parts)

    @property
    def _takes(self):
        return getattr(self.preprocessor, "takes", None)

    def _read_batch_x(self, batch):
        x, _, _ = batches.unpacked(batch)
        return (self._reader("predict")(x, None, None).x,)

    def _reader(self, method, one=False):
        """Function of `x`, `y` and `sample_weight`, to `Examples`."""

        def read(x, y, sample_weight):
            with tf.device("CPU"):
                return read_examples(
                    x,
                    None if method == "predict" else y,
                    None if method == "predict" else sample_weight,
                    takes=self._takes,
                    labels=self.labels,
                    # Whoever predicts may have what a server is sent.
                    valid_utf8=method != "predict",
                    one=one,
                )

        return read

    def _source(self, method, x, y=None, sample_weight=None):
        if batches.kind_of(x) == "stream" and is_multi_worker(
            self.distribute_strategy
        ):
            raise ValueError(
                "On several machines nobody can tell that batches made in "
                "Python are the same on all. Give a `tf.data.Dataset`, or "
                f"texts in memory. Received: {type(x).__name__}."
            )
        return Source(self, method, x, y, sample_weight)

    def _unpacked_validation(self, data):
        if batches.kind_of(data) != "columns":
            return data, None, None
        is_packed = isinstance(data, tuple) or (
            isinstance(data, list)
            and len(data) in (2, 3)
            and not any(map(is_text, data))
            and self.labels.wanted is not None
        )
        if not is_packed or not 1 <= len(data) <= 3:
            data = (data,)
        return keras.utils.unpack_x_y_sample_weight(tuple(data))

    def _batch(self, source, weigh=None):
        """One batch's `x`, `y` and `sample_weight`, as the model takes them."""
        if source.examples is None:
            raise ValueError(
                "One batch is texts in a list, an array or a tensor. Received: "
                f"{type(source.given).__name__}."
            )
        data = source.prepare(weigh)(*source.examples.parts)
        data = keras.utils.unpack_x_y_sample_weight(data)
        return tf.nest.map_structure(
            lambda t: None if t is None else tf.convert_to_tensor(t), data
        )

    def _fitted_on(self, x):
        """Is told of what structure the texts are that `fit` was given."""

    def _check_packed(self, y):
        """Raises `ValueError` for classes that are not there, where the
        inputs are token ids already."""
        labels = self.labels
        if isinstance(labels, Classes) and isinstance(y, np.ndarray | list):
            labels.read(y, None)

    def _checked_dataset(self, x):
        """A dataset of token ids, with its classes checked."""
        labels = self.labels
        if not isinstance(labels, Classes) or not isinstance(
            x, tf.data.Dataset
        ):
            return x
        if not isinstance(x.element_spec, tuple) or len(x.element_spec) < 2:
            return x
        return x.map(lambda x, y, *w: (x, labels.in_graph(y, x), *w))


def _grows(model):
    """Whether an output has an axis, besides that of examples, of any size."""
    return any(
        size is None for output in model.outputs for size in output.shape[1:]
    )


def _refuse_tokens_per_batch(tokens_per_batch):
    if tokens_per_batch is not None:
        raise ValueError(
            "`tokens_per_batch` counts the tokens of texts, and this model has "
            "no preprocessor that reads any. Give `batch_size`. Received: "
            f"tokens_per_batch={tokens_per_batch}."
        )
