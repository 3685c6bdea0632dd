"""Writing a text token by token, at the cost of one token each."""

import tensorflow as tf

from keras_longformer.layers.decoder_block import Kept
from keras_longformer.tasks.generating import until_stop
from keras_longformer.tasks.summarization.search import BeamSearch


class Decoder:
    """A decoder at one batch of encoded documents.

    Keys and values of the documents are made once. Every row that is decoded
    for a document, its beams, is a row of queries against them.

    Args:
        backbone: a `LongformerSeq2SeqBackbone`.
        logits: function of float `(b, r, m)`, to logits.
        inputs: dict, the encoder's inputs.
    """

    def __init__(self, backbone, logits, inputs):
        self.backbone, self.logits = backbone, logits
        self.padding_mask = inputs.get("encoder_padding_mask")
        encoded = backbone.encode(inputs)
        self.num_documents = tf.shape(encoded)[0]
        self.cross = [layer.keep(encoded) for layer in backbone.decoder_layers]

    def empty(self, rows, places):
        """Returns the `Kept` of each layer, with room and nothing in it.

        Args:
            rows: int32 scalar, the first axis.
            places: int32 scalar, how many keys.
        """
        kept = []
        for layer in self.backbone.decoder_layers:
            attention = layer.self_attention
            size = [rows, attention.num_heads, places, attention.key_dim]
            zeros = tf.zeros(size, layer.compute_dtype)
            kept.append(Kept(zeros, zeros))
        return kept

    def step(self, token_ids, state, place, visible):
        """Decodes one more token of each row.

        Args:
            token_ids: int32 `(c, r)`, rows that share their self-attention's
                keys along `r`, documents along `c * r`.
            state: list of `Kept`, `(c, h, k, d)`.
            place: int32 scalar, how many tokens came before.
            visible: bool, broadcasts against `(c, h, r, k)`.

        Returns:
            float32 logits `(c, r, v)`; hidden states `(c, r, m)`; the state.
        """
        backbone = self.backbone
        c, r = tf.shape(token_ids)[0], tf.shape(token_ids)[1]
        x = backbone.token_embedding(tf.reshape(token_ids, [-1, 1]))
        x = backbone.decoder_embeddings(x, start=place)
        x = tf.reshape(x, [c, r, backbone.hidden_dim])
        new = []
        for layer, kept, cross in zip(
            backbone.decoder_layers, state, self.cross, strict=True
        ):
            x, kept = layer.step(
                x, kept, place * r, visible, cross, self.padding_mask
            )
            new.append(kept)
        return tf.cast(self.logits(x), tf.float32), x, new


def generate_step(task, inputs, stop_token_ids=None):
    """Fills the columns behind prompts: see the task's `generate_step`."""
    token_ids, _ = search(task, inputs, stop_token_ids)
    is_prompt = tf.cast(inputs["decoder_padding_mask"], tf.bool)
    return {
        "decoder_token_ids": token_ids,
        "decoder_padding_mask": until_stop(
            token_ids, is_prompt, stop_token_ids
        ),
    }


def search(task, inputs, stop_token_ids):
    """Returns filled rows, int32 `(b, n)`, and their scores, float32 `(b,)`.

    Scores are those of a `BeamSearch`; of KerasHub's samplers, `None`.
    """
    start = None
    if getattr(task.sampler, "max_seconds", None) is not None:
        start = tf.timestamp()
        with tf.control_dependencies([start]):
            inputs = {name: tf.identity(x) for name, x in inputs.items()}
    decoder = Decoder(task.backbone, task.logits, inputs)
    prompt = tf.cast(inputs["decoder_token_ids"], tf.int32)
    mask = tf.cast(inputs["decoder_padding_mask"], tf.bool)
    n = tf.shape(prompt)[1]
    if isinstance(task.sampler, BeamSearch):
        beams = task.sampler.num_beams

        def step(token_ids, state, place, ancestry):
            # Key `beams * i + j` is that of place `i` and beam `j`.
            visible = tf.equal(ancestry[..., None], tf.range(beams))
            visible &= (tf.range(n) <= place)[:, None]
            shape = tf.shape(visible)
            visible = tf.reshape(visible, [shape[0], 1, shape[1], n * beams])
            logits, _, state = decoder.step(token_ids, state, place, visible)
            return logits, state

        return task.sampler.search(
            step,
            decoder.empty(decoder.num_documents, n * beams),
            prompt,
            mask,
            stop_token_ids,
            task.backbone.pad_token_id,
            start,
        )

    def next(prompt, cache, index):
        place = index - 1
        logits, hidden, cache = decoder.step(
            prompt[:, place : place + 1], cache, place, tf.range(n) <= place
        )
        return logits[:, 0], hidden[:, 0], cache

    return task.sampler(
        next=next,
        prompt=prompt,
        cache=decoder.empty(decoder.num_documents, n),
        # Prompts of all lengths are read token by token.
        index=1,
        mask=mask,
        stop_token_ids=stop_token_ids,
        model=task,
    ), None
