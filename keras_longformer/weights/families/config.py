"""What the keys of a Hugging Face `config.json` mean, as data."""

import logging
import math
from collections.abc import Mapping
from collections.abc import Sequence

LOGGER = logging.getLogger("keras_longformer")

# What a text classifier's outputs stand for: ours, theirs.
PROBLEM_TYPES = (
    ("single_label", "single_label_classification"),
    ("multi_label", "multi_label_classification"),
    ("regression", "regression"),
)

# Activations: theirs, ours. Theirs by tanh differ from each other by a few
# rounding errors of float32.
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_approximate",
    "gelu_fast": "gelu_approximate",
    "gelu_accurate": "gelu_approximate",
    "gelu_pytorch_tanh": "gelu_approximate",
    "gelu_python_tanh": "gelu_approximate",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",  # Of a head's dense layer.
}
FEED_FORWARD = ("gelu", "gelu_approximate", "relu", "silu")
# What is written for ours: Hugging Face's own, first spelling.
THEIR_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_approximate": "gelu_new",
    "relu": "relu",
    "silu": "silu",
}

# Keys without any effect on what an encoder and its head compute: names,
# training, generation, what is returned, how it is computed. Others are
# honoured by name elsewhere, or have one value that we know
# (`Family.fixed`); of what is left it is logged that nobody has looked at it.
NO_EFFECT = frozenset(
    """
    model_type architectures transformers_version torch_dtype dtype
    _name_or_path name_or_path _commit_hash finetuning_task language
    tokenizer_class
    task_specific_params prefix task_params _attn_implementation
    _attn_implementation_autoset attn_implementation
    initializer_range initializer_factor gradient_checkpointing
    use_cache output_attentions output_hidden_states output_past return_dict
    torchscript use_bfloat16 tf_legacy_loss chunk_size_feed_forward onnx_export
    is_encoder_decoder cross_attention_hidden_size tie_encoder_decoder
    bos_token_id eos_token_id sep_token_id cls_token_id mask_token_id
    unk_token_id decoder_start_token_id forced_bos_token_id
    forced_eos_token_id bad_words_ids suppress_tokens begin_suppress_tokens
    max_length min_length do_sample early_stopping num_beams
    num_beam_groups diversity_penalty temperature top_k top_p typical_p
    repetition_penalty length_penalty no_repeat_ngram_size
    encoder_no_repeat_ngram_size num_return_sequences output_scores
    return_dict_in_generate remove_invalid_values
    exponential_decay_length_penalty
    num_labels ignore_attention_mask directionality pooler_fc_size
    pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head
    pooler_type summary_first_dropout summary_last_dropout
    summary_proj_to_labels summary_type summary_use_proj vocab_file
    """.split()
)
# Keys that heads honour: see `head_keywords`, `Family.head_activations`.
OF_HEADS = frozenset(
    """
    id2label label2id problem_type classifier_dropout summary_activation
    tie_word_embeddings
    """.split()
)


# Of any family: what a config may say, and the only value that we know.
FIXED = (
    ("position_embedding_type", "absolute"),
    ("is_decoder", False),
    ("add_cross_attention", False),
    ("pruned_heads", {}),
    ("autoregressive", False),
)
# Keys of which some values can be read: see `_problems_with_modes`.
CHECKED = (
    "quantization_config",
    "embedding_size",
    "attention_mode",
    "attention_dilation",
)

_KNOWN = NO_EFFECT | OF_HEADS | {*CHECKED, *dict(FIXED)}


def problems(
    config: Mapping,
    *,
    keys: Sequence[tuple[str, str, float | None]],
    fixed: Sequence[tuple[str, object]],
    activation_key: str,
) -> list[tuple[str, str]]:
    """Returns all that our encoder cannot follow, as (kind, sentence).

    Args:
        config: mapping, what `config.json` says.
        keys, fixed, activation_key: a `Family`'s.
    """
    numbers = {theirs: default for _, theirs, default in keys}
    missing = [
        name
        for name, default in numbers.items()
        if default is None and config.get(name) is None
    ]
    wrong = [
        f"{name}={config[name]!r}, which is no number that it can have"
        for name, default in numbers.items()
        if name in config
        and name not in missing
        and not _is_number(config[name], default)
    ]
    wrong += [
        f"{name}={config[name]!r}, where only {value!r} can be read"
        for name, value in (*FIXED, *fixed)
        if config.get(name) is not None and config[name] != value
    ]
    activation = config.get(activation_key, "gelu")
    if (
        not isinstance(activation, str)
        or ACTIVATIONS.get(activation) not in FEED_FORWARD
    ):
        known = [n for n, ours in ACTIVATIONS.items() if ours in FEED_FORWARD]
        wrong.append(
            f"{activation_key}={activation!r}, where only one of "
            f"{', '.join(known)} can be read"
        )
    wrong += _problems_with_modes(config)
    wrong += problems_with_labels(config)
    return [("missing", name) for name in missing] + [
        ("unknown", sentence) for sentence in wrong
    ]


# How ours end that must be one at the least.
SIZES = ("vocabulary_size", "_layers", "_heads", "_dim", "_length")
LARGEST_WINDOW = 1 << 24  # Tokens: more than any model reads.


def problems_of_sizes(
    config: Mapping,
    keys: Sequence[tuple[str, str, float | None]],
    window_key: str,
    position_rule: str,
) -> list[tuple[str, str]]:
    """Returns numbers that no encoder can have, or not together.

    Args:
        config: mapping in which `problems` found none.
        keys: rows (ours, theirs, default), those of a `Family`, and that of
            an encoder's positions, of which ours is empty.
        window_key, position_rule: a `Family`'s.
    """
    theirs = {ours: name for ours, name, _ in keys}
    said = {theirs: default for _, theirs, default in keys} | dict(config)
    sizes = [
        name
        for ours, name in theirs.items()
        if ours.endswith(SIZES) or not ours
    ]
    wrong = [
        f"{name}={said[name]!r}, which must be 1 or more"
        for name in sizes
        if said[name] < 1
    ]
    wrong += [
        f"{name}={said[name]!r}, which must lie in [0, 1)"
        for ours, name in theirs.items()
        if ours.endswith("dropout") and not said[name] < 1
    ]
    width = theirs["hidden_dim"]
    wrong = wrong or [
        f"{name}={said[name]}, which does not divide {width}={said[width]}"
        for ours, name in theirs.items()
        if ours.endswith("_heads") and said[width] % said[name]
    ]
    pad = said["pad_token_id"]
    if pad >= said["vocab_size"]:
        wrong.append(f"pad_token_id={pad}, and vocab_size={said['vocab_size']}")
    offset = pad + 1 if position_rule == "padding_offset" else 0
    if "" in theirs and said[theirs[""]] <= offset:
        wrong.append(
            f"{theirs['']}={said[theirs['']]}, of which {offset} are before "
            "the first token"
        )
    wrong += _problems_with_windows(said, window_key, theirs["num_layers"])
    return [("unknown", sentence) for sentence in wrong]


def _problems_with_windows(config, key, layers_key):
    windows = config.get(key)
    if windows is None:
        return []
    sizes, layers = windows, config[layers_key]
    if not isinstance(windows, list):
        sizes = [windows]
    elif len(windows) not in (1, layers):
        return [f"{key} has {len(windows)} windows, {layers_key}={layers}"]
    wrong = [
        size
        for size in sizes
        if isinstance(size, bool)
        or not isinstance(size, int)
        or size % 2
        or not 0 < size <= LARGEST_WINDOW
    ]
    return [f"{key}={size!r}, which is no even window" for size in wrong[:5]]


def _problems_with_modes(config):
    """Of `CHECKED`."""
    wrong = []
    if config.get("quantization_config"):
        wrong.append(
            "quantization_config: weights of 8 or fewer bits cannot be read. "
            "Take the checkpoint that it was made from"
        )
    width, hidden = config.get("embedding_size"), config.get("hidden_size")
    if width is not None and width != hidden:
        wrong.append(
            f"embedding_size={width} with hidden_size={hidden}: our "
            "embeddings have the width of the layers"
        )
    mode = config.get("attention_mode")
    if mode not in (None, "longformer"):
        wrong.append(
            f"attention_mode={mode!r}: allenai's own library wrote it, which "
            "counts attention_window on one side of a token. Write it twice "
            "as large, and attention_mode='longformer'"
        )
    dilation = config.get("attention_dilation") or []
    if any(x != 1 for x in flatten(dilation)):
        wrong.append(
            f"attention_dilation={dilation}: Hugging Face's Longformer has "
            "none. Open it without this key, and with our `dilation`"
        )
    return wrong


def log_unknown(config: Mapping, known: frozenset[str], source: str) -> None:
    """Logs the keys that no table has: nobody knows what they change."""
    unknown = sorted(
        f"{name}={config[name]!r}"
        for name in set(config) - known - _KNOWN
        if config[name] is not None
    )
    if unknown:
        LOGGER.warning(
            "config.json of '%s' has keys that are not known here and were "
            "not followed: %s.",
            source,
            ", ".join(unknown),
        )


def problems_with_labels(config: Mapping) -> list[str]:
    """Returns what is wrong with a config's names of classes."""
    ids, problem = _label_ids(config)
    if problem is None and sorted(ids) != list(range(len(ids))):
        problem = (
            f"id2label names the classes {sorted(ids)}, which are not 0 to "
            f"{len(ids) - 1}: some have no name"
        )
    return [] if problem is None else [problem]


def class_names(config: Mapping) -> list[str] | None:
    """Returns a config's names of classes in their order.

    `None` where it has none, or only `LABEL_0`, ... `label2id` counts where
    `id2label` is not there or says no more than that.
    """
    ids, _ = _label_ids(config)
    names = [ids[i] for i in sorted(ids)]
    if all(name == f"LABEL_{i}" for i, name in enumerate(names)):
        return None
    return names


def head_keywords(config: Mapping) -> dict:
    """Returns what a Hugging Face config says of a classifier.

    Returns:
        Dict with `class_names`, list of str, where its labels have other
        names than `LABEL_0`, ..., and `problem_type`, where it says one.
    """
    keywords = {}
    names = class_names(config)
    if names is not None:
        keywords["class_names"] = names
    for ours, theirs in PROBLEM_TYPES:
        if config.get("problem_type") == theirs:
            keywords["problem_type"] = ours
    return keywords


def _label_ids(config):
    """Names by class, and what is wrong with them or `None`."""
    by_id = config.get("id2label") or {}
    by_label = config.get("label2id") or {}
    try:
        ids = {int(i): str(name) for i, name in by_id.items()}
        others = {int(i): str(name) for name, i in by_label.items()}
    except (AttributeError, TypeError, ValueError):
        said = f"id2label={by_id!r}, label2id={by_label!r}"
        return {}, f"{said}, which do not name classes by number"
    is_plain = all(name == f"LABEL_{i}" for i, name in ids.items())
    if is_plain and (not ids or sorted(ids) == sorted(others)) and others:
        ids = others
    return ids, None


def _is_number(value, default):
    """Whether it is one of the default's kind; `None` is a size's."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if not math.isfinite(value) or value < 0:
        return False
    return isinstance(default, float) or value == int(value)


def flatten(value: object) -> list:
    """Returns the leaves of nested lists."""
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in flatten(item)]
    return [value]
