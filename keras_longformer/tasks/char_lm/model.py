"""The character language model."""

import keras
import keras_hub
import tensorflow as tf

from keras_longformer.models.call_inputs import check_keywords
from keras_longformer.models.decoder import DecoderInputs
from keras_longformer.models.decoder import LongformerDecoderBackbone
from keras_longformer.models.fresh import FreshFunctions
from keras_longformer.tasks.char_lm import generation
from keras_longformer.tasks.char_lm.configurations import CLIP_NORM
from keras_longformer.tasks.char_lm.configurations import CONFIGURATIONS
from keras_longformer.tasks.char_lm.configurations import WEIGHT_DECAY
from keras_longformer.tasks.char_lm.evaluation import Evaluation
from keras_longformer.tasks.char_lm.evaluation import evaluate_stream
from keras_longformer.tasks.char_lm.metrics import BitsPerCharacter
from keras_longformer.tasks.char_lm.preprocessor import NO_LABELS
from keras_longformer.tasks.char_lm.preprocessor import (
    LongformerCharLMPreprocessor,
)
from keras_longformer.tasks.char_lm.served import PromptAnswer
from keras_longformer.tasks.compiling import CompiledAgain
from keras_longformer.tasks.fitting import FitsTexts
from keras_longformer.tasks.labels import NoLabels
from keras_longformer.text.coercion import check_one_of
from keras_longformer.tokenizers import LongformerByteTokenizer
from keras_longformer.training.replicas import TrainsOnReplicas


def adamw(rate=2.5e-4):
    """The paper's optimizer for character language models.

    Args:
        rate: float, or a learning rate's schedule.
    """
    return keras.optimizers.AdamW(
        rate, weight_decay=WEIGHT_DECAY, global_clipnorm=CLIP_NORM
    )


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerCharLM(
    FitsTexts,
    TrainsOnReplicas,
    CompiledAgain,
    DecoderInputs,
    FreshFunctions,
    keras_hub.models.CausalLM,
):
    """Predicts each character from those before it.

    The paper's character language model: a `LongformerDecoderBackbone`, and
    the product with the token embeddings. `fit` takes texts, `generate` goes
    on with them, `bits_per_character` measures it.

    `generate` keeps, of each layer, what its windows can still see and no
    more: a character costs the same time and memory after 100 and after
    1,000,000 others.

    Args:
        backbone: a `LongformerDecoderBackbone`.
        preprocessor: a `LongformerCharLMPreprocessor`, or `None`, where inputs
            are already token ids.
        **kwargs: `name`, `trainable`.

    Call arguments:
        inputs: the backbone's.

    Returns:
        float32 `(b, n, vocabulary_size)`, the logits of the next token.

    Raises:
        ValueError: a tokenizer with more tokens than the backbone.

    Example:
    ```python
    char_lm = keras_longformer.LongformerCharLM.from_configuration(
        "char_small", alphabet="text8")
    char_lm.fit(texts, batch_size=8)
    char_lm.compile(sampler="greedy")
    char_lm.generate("anarchism originated as ", max_length=200)
    char_lm.bits_per_character("anarchism originated as a term of abuse")
    ```

    Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), 4.
    """

    backbone_cls = LongformerDecoderBackbone
    preprocessor_cls = LongformerCharLMPreprocessor
    served_cls = PromptAnswer
    labels = NoLabels(NO_LABELS)

    def __init__(self, backbone, preprocessor=None, **kwargs):
        check_keywords(self, kwargs, known=("compile", "name", "trainable"))
        _check_pair(backbone, preprocessor)
        self.backbone = backbone
        self.preprocessor = preprocessor
        inputs = backbone.input
        outputs = backbone.token_embedding(backbone(inputs), reverse=True)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    @classmethod
    def from_configuration(
        cls, name, alphabet=None, phase=-1, sequence_length=None, **kwargs
    ):
        """Makes a model of one of the paper's sizes, with random weights.

        Args:
            name: `"char_small"`, 41 million weights, or `"char_large"`, 102
                million.
            alphabet: of its `LongformerByteTokenizer`: `None` for all bytes,
                `"text8"`, or others.
            phase: int, which of the five phases' windows it has.
            sequence_length: int, of its preprocessor; the phase's by default.
            **kwargs: arguments of the backbone, in place of the size's own.
        """
        check_one_of("name", name, tuple(CONFIGURATIONS))
        configuration = CONFIGURATIONS[name]
        chosen = configuration.phases[phase]
        tokenizer = LongformerByteTokenizer(alphabet)
        backbone = cls.backbone_cls(
            **{
                **configuration.backbone,
                "vocabulary_size": tokenizer.vocabulary_size(),
                "window_size": list(chosen.window_size),
                **kwargs,
            }
        )
        length = sequence_length or chosen.length
        preprocessor = cls.preprocessor_cls(tokenizer, sequence_length=length)
        return cls(backbone, preprocessor)

    def compile(
        self,
        optimizer="auto",
        loss="auto",
        *,
        weighted_metrics="auto",
        sampler="top_k",
        **kwargs,
    ):
        """Keras' `compile`, with the paper's defaults.

        Args:
            optimizer: `"auto"` is AdamW at 2.5e-4, weight decay 0.01, gradients
                clipped at a norm of 0.25.
            loss: `"auto"` is cross-entropy over logits, in nats.
            weighted_metrics: `"auto"` is bits per character.
            sampler: what `generate` chooses with: `"greedy"`, `"top_k"`,
                `"top_p"`, `"random"`, or one of `keras_hub.samplers`, with its
                `temperature`.
            **kwargs: as for `keras.Model.compile`.
        """
        if optimizer == "auto":
            optimizer = adamw()
        if weighted_metrics == "auto":
            weighted_metrics = [BitsPerCharacter()]
        super().compile(
            optimizer=optimizer,
            loss=loss,
            weighted_metrics=weighted_metrics,
            sampler=sampler,
            **kwargs,
        )

    def get_compile_config(self):
        """What `compile_from_config` takes, for `save`."""
        config = super().get_compile_config()
        if config:
            sampler = keras_hub.samplers.serialize(self.sampler)
            config = {**config, "sampler": sampler}
        return config

    def make_generate_function(self):
        """Returns the compiled `generate_step`.

        Unlike KerasHub's it is not traced anew for each `max_length`.
        """
        if self.generate_function is None and not self.run_eagerly:
            self.generate_function = tf.function(
                self.generate_step,
                jit_compile=getattr(self, "jit_compile", None),
                reduce_retracing=True,
            )
        return super().make_generate_function()

    def call_with_cache(
        self, token_ids, cache, cache_update_index, position_keys=None
    ):
        """Returns what follows one more token.

        Args:
            token_ids: int32 `(b, 1)`, the token.
            cache: what `build_cache` gives for the tokens before it.
            cache_update_index: int32 scalar, how many those are.
            position_keys: what `generation.position_keys` gives, which many
                calls can share.

        Returns:
            logits `(b, 1, v)`; hidden states `(b, 1, m)`; the new cache.
        """
        return generation.step(
            self.backbone, token_ids, cache, cache_update_index, position_keys
        )

    def build_cache(self, token_ids):
        """Returns what the layers remember of tokens, int32 `(b, n)`.

        A list, for each layer one `Rings` for each of its dilations: see
        `keras_longformer/layers/rolling_cache.py`. Its size follows from the
        windows alone.
        """
        return generation.build_cache(self.backbone, token_ids)

    def generate_step(self, inputs, stop_token_ids=None):
        """Generates for one batch, as a graph; `generate` calls it.

        Args:
            inputs: dict of `token_ids` int32 and `padding_mask` bool, both
                `(b, n)`: prompts, and the columns to fill.
            stop_token_ids: ints, which end a row, or `None`.

        Returns:
            Dict of the same, filled.
        """
        return generation.generate_step(self, inputs, stop_token_ids)

    def bits_per_character(
        self, text, sequence_length=None, stride=512, batch_size=1
    ) -> Evaluation:
        """Measures the model on a text, as the paper does.

        Windows of `sequence_length` overlap; of each but the first only the
        last `stride` characters count, which have all the others before them,
        so that each character counts once (the text's first has none before
        it, and does not). Memory is that of one batch of windows, however long
        the text.

        Args:
            text: a str or bytes; or token ids, an int array `(k,)`, memory-
                mapped or not.
            sequence_length: int, characters of a window: the paper's 32,256 by
                default, or all of a shorter text.
            stride: int, how much further each window begins.
            batch_size: int, windows at once.

        Returns:
            An `Evaluation`: bits per character, and how many there were.
        """
        if isinstance(text, str | bytes):
            with tf.device("CPU"):
                ids = self._tokenizer().tokenize(tf.constant(text))
            text = ids.numpy()
        return evaluate_stream(
            self.backbone,
            text,
            sequence_length=sequence_length,
            stride=stride,
            batch_size=batch_size,
        )

    def _tokenizer(self):
        if self.preprocessor is None:
            raise ValueError(
                f"'{self.name}' has no preprocessor to read texts with. Give "
                "token ids, or set `preprocessor`."
            )
        return self.preprocessor.tokenizer


def _check_pair(backbone, preprocessor):
    tokenizer = getattr(preprocessor, "tokenizer", None)
    if tokenizer is None:
        return
    size = tokenizer.vocabulary_size()
    if size > backbone.vocabulary_size:
        raise ValueError(
            f"The preprocessor's tokenizer has {size} tokens and the backbone "
            f"embeddings for {backbone.vocabulary_size}. Build the backbone "
            "with `vocabulary_size=tokenizer.vocabulary_size()`."
        )
