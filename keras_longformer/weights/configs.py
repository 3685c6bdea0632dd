"""Hugging Face's `config.json` and our constructors' keywords, both ways."""

from collections.abc import Mapping
from collections.abc import Sequence

MODEL_TYPES = ("longformer", "roberta", "xlm-roberta", "camembert")

# Ours, theirs, and what they take where a file leaves the key out (`None`: it
# must be there), from transformers' RobertaConfig and LongformerConfig.
SAME_MEANING = (
    ("vocabulary_size", "vocab_size", None),
    ("num_layers", "num_hidden_layers", None),
    ("num_heads", "num_attention_heads", None),
    ("hidden_dim", "hidden_size", None),
    ("intermediate_dim", "intermediate_size", None),
    ("num_token_types", "type_vocab_size", 2),
    ("dropout", "hidden_dropout_prob", 0.1),
    ("attention_dropout", "attention_probs_dropout_prob", 0.1),
    ("layer_norm_epsilon", "layer_norm_eps", 1e-12),
    ("pad_token_id", "pad_token_id", 1),
)

# What a file may say, and the only value that our encoder knows.
FIXED = (
    ("hidden_act", "gelu"),
    ("position_embedding_type", "absolute"),
    ("is_decoder", False),
    ("add_cross_attention", False),
    ("tie_word_embeddings", True),
)

# What a text classifier's outputs stand for: ours, theirs.
PROBLEM_TYPES = (
    ("single_label", "single_label_classification"),
    ("multi_label", "multi_label_classification"),
    ("regression", "regression"),
)

DEFAULT_WINDOW_SIZE = 512  # both LongformerConfig's and the released model's.


def is_hugging_face(config: Mapping) -> bool:
    """Says whether a `config.json` is Hugging Face's, of any model."""
    return "model_type" in config


def position_offset(keywords: Mapping) -> int:
    """Returns the number of rows before the first position's.

    Positions are counted from the padding's id: fairseq's habit, which Hugging
    Face keeps. RoBERTa's padding is 1, so its first position is row 2.
    """
    return keywords["pad_token_id"] + 1


def to_keywords(config: Mapping, source: str = "config.json") -> dict:
    """Returns the keywords of our backbone for a Hugging Face config.

    Args:
        config: mapping, what `config.json` says.
        source: str, the folder or file, for messages.

    Returns:
        Dict of `LongformerBackbone`'s keywords, without `pooler`.

    Raises:
        ValueError: another kind of model, a key that is missing or a value
            that our encoder cannot follow; all of them at once.
    """
    _check(config, source)
    keywords = {
        ours: config.get(theirs, default)
        for ours, theirs, default in SAME_MEANING
    }
    keywords["max_sequence_length"] = config[
        "max_position_embeddings"
    ] - position_offset(keywords)
    window_size = config.get("attention_window", DEFAULT_WINDOW_SIZE)
    if isinstance(window_size, (list, tuple)) and len(set(window_size)) == 1:
        window_size = window_size[0]
    keywords["window_size"] = window_size
    return keywords


def head_keywords(config: Mapping) -> dict:
    """Returns what a Hugging Face config says of a classifier.

    Returns:
        Dict with `class_names`, list of str, where its labels have other
        names than `LABEL_0`, ..., and `problem_type`, where it says one.
    """
    keywords = {}
    names = config.get("id2label") or {}
    names = [names[i] for i in sorted(names, key=int)]
    if any(name != f"LABEL_{i}" for i, name in enumerate(names)):
        keywords["class_names"] = names
    for ours, theirs in PROBLEM_TYPES:
        if config.get("problem_type") == theirs:
            keywords["problem_type"] = ours
    return keywords


def to_config(
    keywords: Mapping,
    *,
    architecture: str,
    num_labels: int | None = None,
    class_names: Sequence[str] | None = None,
    problem_type: str | None = None,
) -> dict:
    """Returns the `config.json` of Hugging Face's Longformer.

    Args:
        keywords: mapping, our backbone's `get_config()`.
        architecture: str, a class of transformers.
        num_labels: int or `None`, a classifier's classes.
        class_names: list of str or `None`, their names.
        problem_type: one of ours in `PROBLEM_TYPES`, or `None`.

    Returns:
        Dict; the inverse of `to_keywords`.

    Raises:
        ValueError: the backbone does what their Longformer cannot.
    """
    _check_expressible(keywords)
    num_layers = keywords["num_layers"]
    window_size = keywords["window_size"]
    if isinstance(window_size, int):
        window_size = [window_size] * num_layers
    dropout = keywords["attention_dropout"]
    config = {theirs: keywords[ours] for ours, theirs, default in SAME_MEANING}
    config |= {
        "model_type": "longformer",
        "architectures": [architecture],
        "attention_window": list(window_size),
        "attention_probs_dropout_prob": (
            keywords["dropout"] if dropout is None else dropout
        ),
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
        "max_position_embeddings": (
            keywords["max_sequence_length"] + position_offset(keywords)
        ),
        "initializer_range": 0.02,
        # RoBERTa's ids; their question answering looks for `sep_token_id`.
        "bos_token_id": 0,
        "eos_token_id": 2,
        "sep_token_id": 2,
        "dtype": "float32",
    }
    if num_labels is not None:
        names = class_names or [f"LABEL_{i}" for i in range(num_labels)]
        config["id2label"] = {str(i): name for i, name in enumerate(names)}
        config["label2id"] = {name: i for i, name in enumerate(names)}
    if problem_type is not None:
        config["problem_type"] = dict(PROBLEM_TYPES)[problem_type]
    return config


def _check(config, source):
    model_type = config.get("model_type")
    if model_type not in MODEL_TYPES:
        raise ValueError(
            f"'{source}' must be of a model_type in {MODEL_TYPES}. "
            f"Received: model_type={model_type!r}."
        )
    required = [
        theirs for _, theirs, default in SAME_MEANING if default is None
    ]
    required.append("max_position_embeddings")
    wrong = [f"  missing   {name}" for name in required if name not in config]
    wrong += [
        f"  unknown   {name}={config[name]!r}, where only {value!r} can be read"
        for name, value in FIXED
        if config.get(name, value) != value
    ]
    if wrong:
        raise ValueError(
            f"'{source}' does not describe an encoder that can be read.\n"
            + "\n".join(wrong)
        )


def _check_expressible(keywords):
    dilation = keywords.get("dilation", 1)
    wrong = []
    if any(d != 1 for d in _flatten(dilation)):
        wrong.append(f"dilation={dilation}")
    if keywords.get("causal", False):
        wrong.append("causal=True")
    if wrong:
        raise ValueError(
            "Hugging Face's Longformer has no dilation and is not causal. "
            f"Received: {', '.join(wrong)}. Keep such a model with "
            "`save_to_preset`."
        )


def _flatten(value):
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in _flatten(item)]
    return [value]
