"""What checkpoints of others say of generating texts."""

import logging

from keras_longformer.tasks.summarization.search import BeamSearch

LOGGER = logging.getLogger("keras_longformer")

# transformers' names, which are `BeamSearch`'s.
KEYS = tuple(BeamSearch().get_config())
# Others that change what is generated, and what they are without effect.
NOT_FOLLOWED = {
    "do_sample": False,
    "num_beam_groups": 1,
    "diversity_penalty": 0.0,
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "encoder_no_repeat_ngram_size": 0,
    "bad_words_ids": None,
    "sequence_bias": None,
    "min_new_tokens": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "exponential_decay_length_penalty": None,
    "renormalize_logits": False,
}


def generation_of(foreign):
    """Returns arguments of `BeamSearch` that a `ForeignPreset` says.

    Raises:
        ValueError: a decoder that starts from another token than the one that
            ends a text, as LED's and BART's do.
    """
    said = {k: v for k, v in foreign.generation.items() if v is not None}
    start = said.get("decoder_start_token_id", 2)
    end = said.get("eos_token_id", 2)
    if start != end:
        raise ValueError(
            f"'{foreign.source}' starts its decoder from the token {start} "
            f"(decoder_start_token_id), and ends texts with {end} "
            "(eos_token_id). Ours starts from the one that ends, as LED and "
            "BART do."
        )
    others = [
        f"{name}={said[name]!r}"
        for name, neutral in NOT_FOLLOWED.items()
        if said.get(name, neutral) not in (neutral, None)
    ]
    if others:
        LOGGER.warning(
            "'%s' says how texts are generated with keys that are not "
            "followed here: %s. `compile(sampler=...)` chooses otherwise.",
            foreign.source,
            ", ".join(others),
        )
    return {name: said[name] for name in KEYS if name in said}


def written_generation(task):
    """Returns the keys of `config.json` that say how a task generates."""
    length = getattr(task.preprocessor, "decoder_sequence_length", None)
    said = {} if length is None else {"max_length": length}
    usual = BeamSearch().get_config()
    return said | {
        name: value
        for name, value in task.generation.items()
        if value != usual[name]
    }
