"""What every head has: optional global tokens, and `from_preset`."""

import keras_hub

from keras_longformer import weights
from keras_longformer.models import presets
from keras_longformer.models.backbone import LongformerBackbone
from keras_longformer.models.backbone import fill_global_mask
from keras_longformer.text import LongformerTokenizer


class LongformerTask(keras_hub.models.Task):
    """A `LongformerBackbone` with a head and a preprocessor.

    A subclass also inherits KerasHub's class for its kind of task, and says
    how many global tokens its preprocessor marks, and which weights are its
    head's.
    """

    backbone_cls = LongformerBackbone
    default_max_global_tokens = None
    head_weights = ()  # patterns of their names

    def __call__(self, inputs, *args, **kwargs):
        return super().__call__(fill_global_mask(inputs), *args, **kwargs)

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """Opens a preset with this head on it, and makes it long.

        Args:
            preset: str, what `LongformerBackbone.from_preset` opens: a
                Hugging Face folder or `hf://` handle of a Longformer or
                RoBERTa, a folder that `save_to_preset` wrote, or a RoBERTa
                preset of KerasHub's.
            load_weights: bool, `False` starts from random weights.
            **kwargs: those of the backbone's `from_preset`
                (`max_sequence_length`, `window_size`, `positions`,
                `max_global_tokens`, `dropout`, `dtype`, ...) and of this
                class's constructor. Without `num_classes`, a classifier's head
                comes from the preset; with it, the head starts from random
                weights. Without `preprocessor`, one is made from the
                preset's tokenizer, for `max_sequence_length` tokens.

        Returns:
            The task. Weights that a preset does not have, such as those of a
            new head, are named in a warning.

        Raises:
            ValueError: a preset of another kind, a broken file, or weights
                that do not fit.
        """
        own, kwargs = presets.split_keywords(cls.backbone_cls, kwargs)
        if weights.preset_kind(preset) == "keras_hub":
            return cls._from_own_preset(preset, load_weights, own, kwargs)
        foreign = presets.open_foreign(
            preset,
            load_weights,
            **{
                name: own.pop(name)
                for name in ("max_sequence_length", "window_size", "positions")
                if name in own
            },
        )
        config = {
            **foreign.config,
            "pooler": False,
            "max_global_tokens": cls.default_max_global_tokens,
            **own,
        }
        if "preprocessor" not in kwargs:
            kwargs["preprocessor"] = cls._preprocessor(foreign)
        cls._read_head(foreign, kwargs)
        task = cls(backbone=cls.backbone_cls(**config), **kwargs)
        if load_weights:
            presets.assign(task, foreign, fresh=cls.head_weights)
        return task

    @classmethod
    def _from_own_preset(cls, preset, load_weights, own, kwargs):
        """A preset of ours; KerasHub loads all that is not asked for anew."""
        if own:
            kwargs["backbone"] = cls.backbone_cls.from_preset(
                preset, load_weights, **own
            )
        task = super().from_preset(preset, load_weights, **kwargs)
        if "max_sequence_length" in own and task.preprocessor is not None:
            task.preprocessor.sequence_length = own["max_sequence_length"]
        return task

    @classmethod
    def _preprocessor(cls, foreign):
        if foreign.vocabulary is None or foreign.merges is None:
            raise ValueError(
                f"'{foreign.source}' has no byte-level BPE (vocab.json and "
                "merges.txt) beside it. Pass `preprocessor=None` and give the "
                "model token ids, or a preprocessor of your own."
            )
        return cls.preprocessor_cls(
            LongformerTokenizer(foreign.vocabulary, foreign.merges),
            sequence_length=foreign.config["max_sequence_length"],
        )

    @classmethod
    def _read_head(cls, foreign, kwargs):
        """Takes from the preset what the head's constructor must know."""
