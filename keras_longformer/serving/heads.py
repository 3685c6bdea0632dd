"""Which head an exported model has, and that of a masked LM."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_longformer.models import LongformerEmbedder
from keras_longformer.models import LongformerMaskedLM
from keras_longformer.models import LongformerMultipleChoice
from keras_longformer.models import LongformerQuestionAnswering
from keras_longformer.models import LongformerTextClassifier
from keras_longformer.models import LongformerTokenClassifier
from keras_longformer.serving.embedding import EmbedderHead
from keras_longformer.serving.embedding import EmbeddingHead
from keras_longformer.serving.head import Head
from keras_longformer.serving.multiple_choice import ChoiceHead
from keras_longformer.serving.question_answering import QuestionAnsweringHead
from keras_longformer.serving.text_classifier import CLASSIFIER_HEADS
from keras_longformer.serving.token_classifier import TokenHead
from keras_longformer.text import LongformerTokenizer
from keras_longformer.text.masking import find_tokens
from keras_longformer.text.preprocessors import start_mask

# How many tokens are proposed for each mask.
CANDIDATES = 5
# Each takes a row of the vocabulary's size: 26 MB for 128 of 50,265.
MAX_MASKS = 128


class MaskHead(Head):
    """For each `<mask>` the likeliest tokens, best first.

    `mask_positions` int32 `(b, p)`, `token_ids` int32 `(b, p, k)`, `tokens`
    string `(b, p, k)`, `probabilities` float32 `(b, p, k)`. A row with fewer
    masks than the batch's most has position 0, tokens "" and probabilities 0
    in their stead. Positions count the row's tokens, `<s>` being 0.
    """

    marks = ("<mask>",)
    over_long = ("truncate", "head_tail")

    def __init__(
        self,
        task: LongformerMaskedLM,
        tokenizer: LongformerTokenizer,
        global_start: bool,
    ):
        self.task = task
        self.tokenizer = tokenizer
        self.global_start = global_start
        self.candidates = min(CANDIDATES, task.backbone.vocabulary_size)

    def extras(self, rows):
        dense = rows.to_tensor(self.tokenizer.pad_token_id)
        positions, _ = find_tokens(dense, self.tokenizer.mask_token_id)
        return {"mask_positions": positions}

    def extra_specs(self):
        return {"mask_positions": tf.TensorSpec([None, None], tf.int32)}

    def compute(self, token_ids, padding_mask, mask_positions):
        inputs = {
            "token_ids": token_ids,
            "padding_mask": padding_mask,
            "mask_positions": mask_positions,
        }
        if self.global_start:
            inputs["global_mask"] = start_mask(token_ids)
        logits = tf.cast(self.task(inputs, training=False), tf.float32)
        probabilities, token_ids = tf.math.top_k(
            tf.nn.softmax(logits), k=self.candidates
        )
        return {
            "mask_positions": mask_positions,
            "token_ids": token_ids,
            "probabilities": probabilities,
        }

    def merge(self, outputs, windows):
        return outputs  # One row is one text.

    def finish(self, outputs):
        is_mask = outputs["mask_positions"][..., None] > 0
        tokens = self.tokenizer.detokenize(outputs["token_ids"][..., None])
        return {
            "mask_positions": outputs["mask_positions"],
            "token_ids": tf.where(is_mask, outputs["token_ids"], 0),
            "tokens": tf.where(is_mask, tokens, ""),
            "probabilities": tf.where(is_mask, outputs["probabilities"], 0.0),
        }


def make_heads(
    model: keras.Model,
    preprocessor: keras.layers.Layer,
    class_names: Sequence[str] | None = None,
) -> tuple[Head, EmbeddingHead]:
    """Returns a model's own head and the one that embeds.

    Raises:
        TypeError: a model of another kind.
        ValueError: `class_names` that do not fit.
    """
    if class_names is not None and not isinstance(
        model, LongformerTextClassifier | LongformerTokenClassifier
    ):
        raise ValueError(
            "`class_names` are for a LongformerTextClassifier or a "
            f"LongformerTokenClassifier. Received: {type(model).__name__}"
        )
    backbone = getattr(model, "backbone", model)
    allowed = backbone.max_global_tokens
    global_start = allowed is None or allowed > 0
    # What the model's own preprocessor does, where it can be told.
    if isinstance(model, LongformerMaskedLM | LongformerTokenClassifier):
        global_start = getattr(preprocessor, "global_start", False)
    elif isinstance(model, LongformerEmbedder):
        global_start = getattr(preprocessor, "global_start", global_start)
    embedding = EmbeddingHead(backbone, global_start)
    if isinstance(model, LongformerTextClassifier):
        make = CLASSIFIER_HEADS[model.problem_type]
        return make(model, class_names), embedding
    if isinstance(model, LongformerTokenClassifier):
        return TokenHead(model, global_start, class_names), embedding
    if isinstance(model, LongformerMultipleChoice):
        return ChoiceHead(model, preprocessor), embedding
    if isinstance(model, LongformerEmbedder):
        return EmbedderHead(model, global_start), embedding
    if isinstance(model, LongformerQuestionAnswering):
        return QuestionAnsweringHead(model, preprocessor), embedding
    if isinstance(model, LongformerMaskedLM):
        head = MaskHead(model, preprocessor.tokenizer, global_start)
        return head, embedding
    return embedding, embedding
