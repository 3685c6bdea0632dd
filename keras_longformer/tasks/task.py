"""What every head has: optional global tokens, and `from_preset`."""

import keras

from keras_longformer import weights
from keras_longformer.models import own_presets
from keras_longformer.models import policies
from keras_longformer.models import presets
from keras_longformer.models import quantization
from keras_longformer.models.backbone import LongformerBackbone
from keras_longformer.models.call_inputs import LongformerInputs
from keras_longformer.models.call_inputs import check_keywords
from keras_longformer.models.fresh import FreshFunctions
from keras_longformer.models.plain_errors import says_plainly
from keras_longformer.tasks.class_labels import metrics_of_loss
from keras_longformer.tasks.compiling import CompiledAgain
from keras_longformer.tasks.fitting import FitsTexts
from keras_longformer.tasks.foreign_head import drop_other_head
from keras_longformer.tasks.foreign_head import read_activations
from keras_longformer.tasks.pairing import check_pair
from keras_longformer.tasks.saying import SaysInWords
from keras_longformer.text.merging import mean_of_windows
from keras_longformer.tokenizers import no_tokenizer
from keras_longformer.tokenizers import open_tokenizer
from keras_longformer.training.replicas import TrainsOnReplicas
from keras_longformer.weights.names import entries


class LongformerTask(
    SaysInWords,
    FitsTexts,
    TrainsOnReplicas,
    CompiledAgain,
    LongformerInputs,
    FreshFunctions,
    quantization.Quantizable,
):
    """A `LongformerBackbone` with a head and a preprocessor: the contract.

    A mixin before KerasHub's class for the kind of task. A subclass, in this
    package or not, carries its facts as class attributes; conversion,
    fine-tuning and export read them, and know no task by name.

    Attributes:
        preprocessor_cls: a `RowPreprocessor`, which reads its texts.
        served_cls: a `keras_longformer.serving.answer.Answer`, what an
            exported model answers, or `None`: it cannot be exported.
        default_max_global_tokens: int, how many tokens its preprocessor marks
            global, or `None` for any number.
        hugging_face_class: str, the class of transformers with this head, or
            `None`.
        head_modules: rows `(ours, theirs, layout)`, one for each module of the
            head, named as in `hugging_face_class`; the layouts are those of
            `keras_longformer.weights.names`.
        head_activations: rows `(ours, keyword, default)`: a dense layer of
            the head whose activation is another one in some families, the
            argument of the constructor that says it, or `None`, and what it
            is without.
        head_weights: patterns of the names of the head's weights, which start
            from random numbers where a preset does not have them. They follow
            from `head_modules`.
        labels: what `fit` learns, one of `keras_longformer.tasks.labels`.
        families: those of `keras_longformer.weights.families` that its
            checkpoints of others may be of.
        open_foreign: function that opens them, `weights.open_foreign` or one
            that takes and returns the same.
        backbone_options: dict of the backbone's arguments that a head wants
            otherwise than a checkpoint has them.

    and says its losses and metrics in `default_loss`, `default_metrics` and
    `default_weighted_metrics`.
    """

    backbone_cls = LongformerBackbone
    preprocessor_cls = None
    served_cls = None
    default_max_global_tokens = None
    hugging_face_class = None
    head_modules = ()
    head_activations = ()
    head_weights = ()
    families = weights.FAMILIES
    open_foreign = staticmethod(weights.open_foreign)
    backbone_options = {"pooler": False}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        own = vars(cls)
        if "head_modules" in own and "head_weights" not in own:
            cls.head_weights = tuple(
                entry.ours for entry in entries(cls.head_modules)
            )

    def __setattr__(self, name, value):
        # Keras lets a quantized model take no other layer.
        tracker = self.__dict__.get("_tracker")
        opens = name == "preprocessor" and tracker is not None
        if not (opens and tracker.locked):
            return super().__setattr__(name, value)
        tracker.unlock()
        try:
            super().__setattr__(name, value)
        finally:
            tracker.lock()

    def compile(
        self,
        optimizer="auto",
        loss="auto",
        *,
        metrics="auto",
        weighted_metrics="auto",
        **kwargs,
    ):
        """Keras' `compile`, with defaults for this task.

        Args:
            optimizer: `"auto"` is Adam with a rate of 5e-5.
            loss: `"auto"` is `default_loss()`.
            metrics: `"auto"` is `default_metrics()`.
            weighted_metrics: `"auto"` is `default_weighted_metrics()`.
            **kwargs: as for `keras.Model.compile`.
        """
        if optimizer == "auto":
            optimizer = keras.optimizers.Adam(5e-5)
        if loss == "auto":
            loss = self.default_loss()
        if metrics == "auto":
            metrics = metrics_of_loss(self.default_metrics(), loss)
        if weighted_metrics == "auto":
            weighted_metrics = self.default_weighted_metrics()
        super().compile(
            optimizer=optimizer,
            loss=loss,
            metrics=metrics,
            weighted_metrics=weighted_metrics,
            **kwargs,
        )

    def default_loss(self):
        """Returns the loss of `compile`: cross-entropy over logits."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def default_metrics(self):
        """Returns the metrics of `compile`: none."""
        return None

    def default_weighted_metrics(self):
        """Returns the metrics of `compile` that sample weights count in."""
        return None

    def hugging_face_config(self):
        """What of this head `save_hugging_face` writes into `config.json`.

        Returns:
            Dict with `num_labels`, int, `class_names`, list of str or `None`,
            and `problem_type`, str, as far as the head has them.

        Raises:
            ValueError: transformers has no class for this head.
        """
        if self.hugging_face_class is None:
            raise ValueError(
                f"transformers has no class for {type(self).__name__} "
                f"('{self.name}'). Keep it with `save_to_preset`, or its "
                "encoder alone with `save_hugging_face(task.backbone, ...)`."
            )
        return {}

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """Opens a preset with this head on it, and makes it long.

        Args:
            preset: str, what `LongformerBackbone.from_preset` opens: a
                Hugging Face folder or `hf://` handle of a Longformer, RoBERTa,
                BERT or ELECTRA, a folder that `save_to_preset` wrote, or a
                RoBERTa, XLM-RoBERTa or BERT of KerasHub's: its preset, or the
                backbone or task itself, whose tokenizer is read too.
            load_weights: bool, `False` starts from random weights.
            **kwargs: those of the backbone's `from_preset`
                (`max_sequence_length`, `window_size`, `positions`,
                `max_global_tokens`, `dropout`, `dtype`, ...), of this class's
                constructor, and of its preprocessor's (`over_long`, ...).
                Without `num_classes`, a classifier's head comes from the
                preset; with it, the head starts from random weights. Without
                `preprocessor`, one is made from the preset's tokenizer: texts
                are truncated to `max_sequence_length` tokens, and padded to
                the least of 256, 512, ... that holds the longest of the batch.

        Returns:
            The task. Weights that a preset does not have, such as those of a
            new head, are named in a warning.

        Raises:
            ValueError: a preset of another kind, a broken file, or weights
                that do not fit.
            TypeError: an argument that neither the backbone, nor this class,
                nor its preprocessor takes.
        """
        preset = weights.as_preset(preset)
        own, kwargs = presets.split_keywords(cls.backbone_cls, kwargs)
        options = cls._preprocessor_options(kwargs)
        if weights.preset_kind(preset) == "keras_hub":
            return cls._from_own_preset(
                preset, load_weights, own, options, kwargs
            )
        making_long = {
            name: own.pop(name)
            for name in ("max_sequence_length", "window_size", "positions")
            if name in own
        }
        foreign = cls.open_foreign(
            preset,
            load_weights=load_weights,
            head_modules=cls.head_modules,
            **making_long,
        )
        config = {
            **foreign.config,
            **cls.backbone_options,
            "max_global_tokens": cls.default_max_global_tokens,
            **own,
        }
        if "preprocessor" not in kwargs:
            kwargs["preprocessor"] = cls._preprocessor(foreign, **options)
        if "dropout" not in own and "dropout" in presets.keywords_of(cls):
            if foreign.classifier_dropout is not None:
                kwargs.setdefault("dropout", foreign.classifier_dropout)
        drop_other_head(cls, foreign)
        cls._read_head(foreign, kwargs)
        read_activations(cls, foreign, kwargs)
        task = cls(backbone=cls.backbone_cls(**config), **kwargs)
        if load_weights:
            presets.load_arrays(
                task, foreign.arrays, foreign.source, fresh=cls.head_weights
            )
        return task

    def predict_windows(
        self, x, stride=None, batch_size=8, verbose="auto", **kwargs
    ):
        """Predicts from all of each text, however long, in windows.

        A text of more tokens than the preprocessor's `sequence_length` is cut
        into windows that overlap, every token in at least one. Of what the
        model says of each, the logits, probabilities or embeddings of a text
        are averaged; a head with one output a token, or with spans, says in
        its own `merge_windows` how they are put together.

        Args:
            x: texts, as `predict` takes them, batches too.
            stride: int, how many tokens further each window begins than the
                one before it; by default 7/8 of what a window holds.
            batch_size: int, windows at once.
            verbose: as for `predict`.
            **kwargs: those of `merge_windows`, if it takes any.

        Returns:
            What `predict` does for short texts, one row a text.

        Raises:
            ValueError: a model whose inputs cannot be cut into windows.

        Example:
        ```python
        classifier.predict_windows(["a text of 50,000 tokens ..."])
        ```
        """
        ways = getattr(self.preprocessor, "over_long_choices", ())
        if "windows" not in ways:
            raise ValueError(
                f"`predict_windows` of '{self.name}' ({type(self).__name__}) "
                "needs a preprocessor that cuts texts into windows. Received: "
                f"preprocessor={type(self.preprocessor).__name__}, which reads "
                f"long texts by {ways}; of pairs, such as `fit` was given, it "
                "makes no windows. Take `predict`."
            )
        x = self.read_texts(x)
        inputs, windows = self.preprocessor.windows(x, stride=stride)
        outputs = self.predict_packed(inputs, batch_size, verbose)
        return self.merge_windows(outputs, windows, **kwargs)

    @says_plainly
    def predict_packed(self, inputs, batch_size=8, verbose="auto"):
        """Keras' `predict` on inputs that the preprocessor has made."""
        return keras.Model.predict(
            self, inputs, batch_size=batch_size, verbose=verbose
        )

    def merge_windows(self, outputs, windows):
        """Returns the mean of each text's windows, as a NumPy array.

        Args:
            outputs: float `(r, ...)`, the model's, one of each window.
            windows: the `keras_longformer.text.windows.Windows` of the rows.
        """
        return mean_of_windows(outputs, windows).numpy()

    def get_config(self):
        config = super().get_config()
        quantized = quantization.describe_quantized(
            quantization.own_layers(self)
        )
        if quantized:
            config["quantized"] = quantized
        return config

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        quantized = config.pop("quantized", {})
        task = super().from_config(config)
        quantization.quantize_again(quantization.own_layers(task), quantized)
        return task

    def save_to_preset(self, preset_dir, max_shard_size=10):
        """Saves the task as a folder that `from_preset` opens.

        It is there whole or not at all.

        Args:
            preset_dir, max_shard_size: as for the backbone's.
        """
        with presets.written(preset_dir) as new:
            super().save_to_preset(new, max_shard_size=max_shard_size)

    def save_task_weights(self, filepath):
        """Saves the head's weights, as `save_to_preset` does.

        Unlike KerasHub's, without the optimizer's state: it is that of the
        optimizer which trained, and fits no other that opens the preset.
        `save("file.keras")` keeps it.

        Args:
            filepath: str, that ends in `.weights.h5`.

        Raises:
            ValueError: another ending, or a head without weights.
        """
        if not self.has_task_weights():
            raise ValueError(
                f"'{self.name}' has no weights besides its backbone's. Save "
                "those with `backbone.save_weights`."
            )
        keras.saving.save_weights(
            self, filepath, objects_to_skip=self._not_the_heads()
        )

    def load_task_weights(self, filepath):
        """Loads what `save_task_weights` saved.

        Args:
            filepath: str, that ends in `.weights.h5`.

        Raises:
            ValueError: another ending, or weights that do not fit.
        """
        keras.saving.load_weights(
            self, filepath, objects_to_skip=self._not_the_heads()
        )

    def _not_the_heads(self):
        # Before `compile` there is no optimizer.
        optimizer = getattr(self, "optimizer", None)
        return [*self.backbone._flatten_layers(), optimizer]

    @classmethod
    def _from_own_preset(cls, preset, load_weights, own, options, kwargs):
        """A preset of ours, which KerasHub loads as it was saved."""
        own_presets.check_preset(preset, load_weights)
        kwargs["dtype"] = own.pop("dtype", None) or policies.saved_policy(
            preset
        )
        with own_presets.opening(preset, load_weights):
            task = super().from_preset(preset, load_weights, **kwargs)
        if load_weights:
            own_presets.check_kinds(task, preset)
        presets.check_numbers(task, preset)
        longest = task.backbone.max_sequence_length
        preprocessor = task.preprocessor
        if preprocessor is not None and "preprocessor" not in kwargs:
            length = preprocessor.sequence_length
            if length is None or length > longest:  # Saved for another task.
                task.preprocessor = presets.with_length(preprocessor, longest)
            if options:
                task.preprocessor = presets.with_options(
                    task.preprocessor, **options
                )
        allowed = task.backbone.max_global_tokens
        wanted = cls.default_max_global_tokens
        # What is quantized cannot be made anew, nor need it where it has some.
        as_it_is = allowed != 0 and quantization.is_quantized(task)
        if None not in (allowed, wanted) and allowed < wanted and not as_it_is:
            own.setdefault("max_global_tokens", wanted)
        return presets.rebuild(task, own)

    @classmethod
    def _preprocessor(cls, foreign, **options):
        tokenizer = open_tokenizer(foreign.tokenizer_files)
        if tokenizer is None:
            why = no_tokenizer(foreign.source, foreign.tokenizer_files)
            raise ValueError(
                f"{why} Pass `preprocessor=None` and give the model token ids, "
                "or a preprocessor of your own."
            )
        longest = foreign.config["max_sequence_length"]
        return cls.preprocessor_cls.for_model(tokenizer, longest, **options)

    @classmethod
    def _preprocessor_options(cls, kwargs):
        """Takes the preprocessor's arguments out of `from_preset`'s.

        Those that the task's constructor takes as well stay there.
        """
        if "preprocessor" in kwargs:
            return {}
        its = presets.keywords_of(cls.preprocessor_cls)
        both = its & presets.keywords_of(cls)
        options = {
            name: kwargs.pop(name) for name in its - both if name in kwargs
        }
        return options | {name: kwargs[name] for name in both & kwargs.keys()}

    def _check_keywords(self, keywords):
        check_keywords(self, keywords, known=("compile", "name", "trainable"))

    _check_vocabulary = staticmethod(check_pair)

    @classmethod
    def _read_head(cls, foreign, kwargs):
        """Takes from the preset what the head's constructor must know."""
