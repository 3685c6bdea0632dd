"""A document in, a text out."""

import keras
import keras_hub
import tensorflow as tf

from keras_longformer import weights
from keras_longformer.models.plain_errors import says_plainly
from keras_longformer.models.seq2seq import LongformerSeq2SeqBackbone
from keras_longformer.models.seq2seq import Seq2SeqInputs
from keras_longformer.tasks.labels import NoLabels
from keras_longformer.tasks.summarization import decoding
from keras_longformer.tasks.summarization.checkpoints import generation_of
from keras_longformer.tasks.summarization.checkpoints import written_generation
from keras_longformer.tasks.summarization.finetuning import SummaryFineTuning
from keras_longformer.tasks.summarization.head import LogitsBias
from keras_longformer.tasks.summarization.loss import SmoothedCrossEntropy
from keras_longformer.tasks.summarization.loss import check_label_smoothing
from keras_longformer.tasks.summarization.preprocessor import (
    DECODER_SEQUENCE_LENGTH,
)
from keras_longformer.tasks.summarization.preprocessor import NO_LABELS
from keras_longformer.tasks.summarization.preprocessor import (
    LongformerSeq2SeqLMPreprocessor,
)
from keras_longformer.tasks.summarization.search import BeamSearch
from keras_longformer.tasks.summarization.served import SummaryAnswer
from keras_longformer.tasks.task import LongformerTask
from keras_longformer.weights.names import LOGITS_BIAS


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerSeq2SeqLM(
    Seq2SeqInputs, LongformerTask, keras_hub.models.Seq2SeqLM
):
    """Writes a text about a long document, such as its summary.

    A Longformer-Encoder-Decoder (LED) as Hugging Face's
    `LEDForConditionalGeneration`: the encoder reads the document with windows
    and global tokens, the decoder writes token by token, and each is the
    product with the token embeddings. `fit` learns from documents and
    summaries; `generate` writes.

    `generate` keeps the encoder's keys and values once for each document,
    whatever the number of beams.

    Args:
        backbone: a `LongformerSeq2SeqBackbone`.
        preprocessor: a `LongformerSeq2SeqLMPreprocessor`, or `None`, where
            inputs are already token ids.
        label_smoothing: float in [0, 1), what `fit` leaves of the probability
            to all other tokens: see `SmoothedCrossEntropy`.
        generation: dict of arguments of `BeamSearch`: how `generate` searches
            unless `compile` names a sampler. A checkpoint's own, or greedy
            search.
        **kwargs: `compile`, `name`, `trainable`.

    Call arguments:
        inputs: the backbone's.

    Returns:
        float32 `(b, t, vocabulary_size)`, logits of the next token.

    Raises:
        ValueError: a tokenizer with more tokens than the backbone.

    Example:
    ```python
    summarizer = keras_longformer.LongformerSeq2SeqLM.from_preset(
        "path/to/led-base-16384", sequence_length=8192, rematerialize=True)
    summarizer.fit({"encoder_text": documents, "decoder_text": summaries},
                   batch_size=2)
    summarizer.compile(sampler=keras_longformer.BeamSearch(num_beams=4))
    summarizer.generate(["A long document ..."], max_length=256)
    ```

    Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), 7.
    """

    labels = NoLabels(NO_LABELS)
    backbone_cls = LongformerSeq2SeqBackbone
    preprocessor_cls = LongformerSeq2SeqLMPreprocessor
    served_cls = SummaryAnswer
    finetuning = {"summarization": SummaryFineTuning}
    default_max_global_tokens = 1
    hugging_face_class = "LEDForConditionalGeneration"
    head_modules = (("final_logits_bias", "final_logits_bias", LOGITS_BIAS),)
    families = weights.SEQ2SEQ_FAMILIES
    open_foreign = staticmethod(weights.open_seq2seq)
    backbone_options = {}

    def __init__(
        self,
        backbone,
        preprocessor=None,
        label_smoothing=0.0,
        generation=None,
        **kwargs,
    ):
        self._check_keywords(kwargs)
        self._check_vocabulary(backbone, preprocessor)
        # Config, which `compile` reads.
        self.label_smoothing = check_label_smoothing(label_smoothing)
        self.generation = BeamSearch(**(generation or {})).get_config()

        # Layers
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.final_logits_bias = LogitsBias(
            dtype="float32", name="final_logits_bias"
        )

        # Graph
        inputs = backbone.input
        outputs = self.logits(backbone(inputs)["decoder_sequence_output"])
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    def logits(self, hidden):
        """Returns float32 `(b, t, v)` of the decoder's output."""
        logits = self.backbone.token_embedding(hidden, reverse=True)
        return self.final_logits_bias(logits)

    def compile(self, *args, sampler="auto", **kwargs):
        """Keras' `compile`, with defaults for this task.

        Args:
            *args: `optimizer`, `"auto"` being Adam with a rate of 5e-5, and
                `loss`, `"auto"` being cross-entropy, smoothed by
                `label_smoothing`.
            sampler: what `generate` chooses with: a `BeamSearch`; `"greedy"`,
                `"top_k"`, `"top_p"`, `"random"`, or one of
                `keras_hub.samplers`; `"auto"`: a `BeamSearch` as `generation`
                says.
            **kwargs: as for `keras.Model.compile`.
        """
        if sampler == "auto":
            sampler = BeamSearch(**self.generation)
        super().compile(*args, sampler=sampler, **kwargs)

    def get_compile_config(self):
        """What `compile_from_config` takes, for `save`."""
        config = super().get_compile_config()
        if config:
            sampler = keras_hub.samplers.serialize(self.sampler)
            config = {**config, "sampler": sampler}
        return config

    def default_loss(self):
        """Returns cross-entropy, smoothed by `label_smoothing`."""
        return SmoothedCrossEntropy(self.label_smoothing)

    def default_weighted_metrics(self):
        """Returns the accuracy over the tokens of summaries."""
        return [keras.metrics.SparseCategoricalAccuracy()]

    @says_plainly
    def generate(self, inputs, max_length=None, stop_token_ids="auto"):
        """Writes a text about each document.

        Args:
            inputs: a string, or a list, array or tensor of strings: documents;
                a dict of these as `"encoder_text"`, and of the beginnings of
                what is written as `"decoder_text"`; or a `tf.data.Dataset` of
                batches of them. Without a preprocessor, the backbone's inputs,
                `decoder_token_ids` with room for what is written.
            max_length: int, the most tokens of a text, `</s>` at its start
                included; by default the preprocessor's
                `decoder_sequence_length`.
            stop_token_ids: ints, which end a text; `"auto"`: `</s>`; `None`:
                nothing does.

        Returns:
            A list of str, or a str for one string. Without a preprocessor, a
            dict of `decoder_token_ids` and `decoder_padding_mask`.
        """
        if isinstance(inputs, dict):
            inputs = dict(inputs)  # KerasHub writes into it.
        longest = self.backbone.max_decoder_sequence_length
        if max_length is not None and not 2 <= max_length <= longest:
            raise ValueError(
                "`max_length` must be from 2 up to the decoder's positions, "
                f"{longest}. Received: max_length={max_length}"
            )
        return super().generate(
            inputs, max_length=max_length, stop_token_ids=stop_token_ids
        )

    def make_generate_function(self):
        """Returns the compiled `generate_step`.

        Unlike KerasHub's it is not traced anew for each length.
        """
        if self.generate_function is None and not self.run_eagerly:
            self.generate_function = tf.function(
                self.generate_step,
                jit_compile=getattr(self, "jit_compile", None),
                reduce_retracing=True,
                autograph=False,
            )
        return super().make_generate_function()

    def generate_step(self, inputs, stop_token_ids=None):
        """Generates for one batch, as a graph; `generate` calls it.

        Args:
            inputs: dict, the backbone's inputs. `decoder_token_ids` int32
                `(b, n)` are beginnings, and room where `decoder_padding_mask`
                is `False`.
            stop_token_ids: ints, which end a row, or `None`.

        Returns:
            Dict of `decoder_token_ids` and `decoder_padding_mask`, filled.
        """
        return decoding.generate_step(self, inputs, stop_token_ids)

    def hugging_face_config(self):
        """What `save_hugging_face` writes besides the backbone's config."""
        super().hugging_face_config()
        return {"generation": written_generation(self)}

    @classmethod
    def _read_head(cls, foreign, kwargs):
        if "generation" not in kwargs:
            kwargs["generation"] = generation_of(foreign)

    @classmethod
    def _preprocessor(cls, foreign, **options):
        longest = foreign.config["max_decoder_sequence_length"]
        said = foreign.generation.get("max_length") or DECODER_SEQUENCE_LENGTH
        options.setdefault("decoder_sequence_length", min(said, longest))
        return super()._preprocessor(foreign, **options)

    def get_config(self):
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
            "generation": self.generation,
        }
