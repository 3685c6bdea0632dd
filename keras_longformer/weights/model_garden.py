"""Opens checkpoints of TensorFlow Model Garden's encoders."""

import os
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

from keras_longformer.weights import names
from keras_longformer.weights import readers
from keras_longformer.weights.families import model_garden as family
from keras_longformer.weights.families.config import LARGEST_WINDOW
from keras_longformer.weights.families.family import DEFAULT_WINDOW_SIZE
from keras_longformer.weights.foreign import ForeignPreset
from keras_longformer.weights.object_graph import ObjectGraph
from keras_longformer.weights.object_graph import find_checkpoint

# What says the rest of a model, if one of them lies beside the checkpoint: its
# trainer's record, and the configuration of the published BERTs.
PARAMETER_FILES = ("params.yaml", "bert_config.json")
# Of such a file, whose aliases can say exponentially much.
MOST_BYTES, MOST_BRACKETS, MOST_VALUES = 1 << 18, 1000, 100_000
# Ours, theirs in each. The first are told by the arrays too, and must agree.
SIZES = (
    ("vocabulary_size", "vocab_size"),
    ("num_layers", "num_layers"),
    ("num_layers", "num_hidden_layers"),
    ("num_heads", "num_attention_heads"),
    ("hidden_dim", "hidden_size"),
    ("intermediate_dim", "intermediate_size"),
    ("num_token_types", "type_vocab_size"),
    ("rows", "max_position_embeddings"),
)
OPTIONS = (
    ("dropout", "dropout_rate"),
    ("dropout", "hidden_dropout_prob"),
    ("attention_dropout", "attention_dropout_rate"),
    ("attention_dropout", "attention_probs_dropout_prob"),
    ("activation", "hidden_activation"),
    ("activation", "hidden_act"),
    ("pad_token_id", "pad_token_id"),
    ("window_size", "attention_window"),
)
# Types of encoders in them: `any` is how a project's own is given.
ENCODERS = ("bert", "bert_v2", "any")
# Those that change an encoder's numbers, and the only values that ours knows.
FIXED = (("norm_first", False), ("embedding_size", None))


@dataclass(frozen=True)
class ModelGardenCheckpoint(os.PathLike):
    """A checkpoint of Model Garden's, and how it came to be.

    For `from_preset` of the backbone and the tasks, which take its path alone
    where nothing else needs saying.

    Args:
        path: str, the prefix of its files, `path/to/ckpt-100`, or the folder.
        quirks: what its converter of Hugging Face's weights changed and shall
            be taken back: names among `QUIRKS`, or `CONVERTER_QUIRKS`, all
            of them. By default the model is what Model Garden runs.

    Example: that of `save_model_garden`.
    """

    path: str
    quirks: Sequence[str] = ()

    def __post_init__(self):
        object.__setattr__(self, "path", os.fspath(self.path))
        object.__setattr__(self, "quirks", family.check_quirks(self.quirks))

    def __fspath__(self) -> str:
        return self.path


def is_model_garden(preset: object) -> bool:
    """Says whether a preset is a path that leads to a TensorFlow checkpoint."""
    if isinstance(preset, ModelGardenCheckpoint):
        return True
    if not isinstance(preset, str | os.PathLike):
        return False
    has_config = os.path.isfile(os.path.join(preset, "config.json"))
    return not has_config and find_checkpoint(preset) is not None


def folder_of(preset: str | os.PathLike) -> readers.Folder:
    """Returns the folder of a checkpoint, in which other files may lie.

    Raises:
        ValueError: no checkpoint there.
    """
    return readers.Folder(os.path.dirname(_prefix(preset)) or ".")


def read_model_garden(
    preset: str | os.PathLike,
    *,
    load_weights: bool = True,
    head_modules: names.Modules = (),
) -> ForeignPreset:
    """Opens a checkpoint of an encoder of Model Garden's.

    All sizes are the arrays'. `params.yaml` or `bert_config.json` beside it
    says the rest: dropout, activation, padding, windows. Without either these
    are the defaults of Model Garden's constructors, and nothing says a
    `LongformerEncoder`'s windows: its `window_size` is `None` then.

    Args:
        preset: a `ModelGardenCheckpoint`, or its path.
        load_weights: bool, `False` reads the configuration only.
        head_modules: table of the head whose arrays are wanted; of none by
            default.

    Returns:
        A `ForeignPreset`.

    Raises:
        ValueError: no checkpoint there, one without such an encoder, or
            parameters that do not agree with it.
    """
    quirks = getattr(preset, "quirks", ())
    prefix = _prefix(preset)
    graph = ObjectGraph(prefix)
    encoder = family.find_encoder(graph)
    arrays = family.read_encoder(graph, encoder)
    folder = folder_of(prefix)
    config = {"pad_token_id": 0, "window_size": DEFAULT_WINDOW_SIZE}
    if family.is_longformer(graph, encoder):
        config = {"pad_token_id": 1, "window_size": None}
    parameters = _parameters(folder)
    config |= _keywords(arrays, *parameters[:2], prefix, quirks)
    facts = replace(family.MODEL_GARDEN, position_rule=config["position_rule"])
    config["max_sequence_length"] = config.pop("rows") - facts.position_offset(
        config
    )
    of_encoder = {}
    if load_weights:
        arrays = family.undo(arrays, quirks, prefix)
        head = family.read_head(graph, encoder, head_modules)
        of_encoder = family.pooler_as_head(arrays, head, head_modules)
        arrays |= head | of_encoder
    files = {name: folder.find(name) for name in readers.TOKENIZER_FILES}
    return ForeignPreset(
        prefix,
        facts,
        config,
        arrays if load_weights else {},
        {name: path for name, path in files.items() if path},
        head_activations={
            ours: family.to_activation(parameters[2], quirks)
            for ours, theirs, _ in head_modules
            if theirs == "lm_head.dense"
        },
        of_encoder=frozenset(of_encoder),
    )


def _prefix(preset):
    prefix = find_checkpoint(preset)
    if prefix is None:
        raise ValueError(
            "There must be a TensorFlow checkpoint, files that end in .index "
            f"and .data-*. Received: {os.fspath(preset)!r}."
        )
    return prefix


def _keywords(arrays, where, parameters, prefix, quirks):
    """Returns our backbone's keywords, with `rows` instead of a length."""
    config = family.sizes(arrays, prefix)
    problems = [
        f"  {theirs}={parameters[theirs]!r}, and the arrays {config[ours]}"
        for ours, theirs in SIZES
        if parameters.get(theirs, config[ours]) != config[ours]
    ]
    # Their names for our `hidden_dim` where it is one width throughout.
    fixed = {"embedding_size": (None, config["hidden_dim"])}
    problems += [
        f"  {name}={parameters[name]!r}, which this encoder cannot do"
        for name, value in FIXED
        if parameters.get(name, value) not in fixed.get(name, (value,))
    ]
    config |= {"dropout": 0.1, "attention_dropout": 0.1, "activation": "gelu"}
    config |= {o: parameters[t] for o, t in OPTIONS if t in parameters}
    windows = config.get("window_size")
    if isinstance(windows, list):
        # Model Garden's own default is an empty list.
        same = len(set(windows)) == 1
        config["window_size"] = windows[0] if same else windows or None
    if problems:
        raise ValueError(
            f"'{where}' does not describe '{prefix}'.\n" + "\n".join(problems)
        )
    if "repeated_token_type" in quirks:
        config["num_token_types"] = 1
    shifted = "unshifted_positions" not in quirks
    return config | {
        "activation": family.to_activation(config["activation"], quirks),
        "layer_norm_epsilon": (
            1e-5 if "epsilon" in quirks else family.LAYER_NORM_EPSILON
        ),
        "position_rule": "absolute" if shifted else "padding_offset",
        "pooler": "pooler/kernel" in arrays,
    }


def _parameters(folder):
    """Returns a file, its encoder's parameters, and its head's activation."""
    for name in PARAMETER_FILES:
        path = folder.find(name)
        if path is None:
            continue
        content = _read_parameters(path)
        found = list(_encoders(content))
        if len(found) == 1:
            # BertPretrainer's, which its configuration sets to this.
            head = list(_values(content, "mlm_activation")) or ["gelu"]
            _check_numbers(found[0], path)
            _check_kind(content, path)
            return path, found[0], head[0]
        raise ValueError(
            f"'{path}' must say the parameters of one encoder: under "
            "`encoder` and its `type`, or all at the top. It says those of "
            f"{len(found)}."
        )
    return None, {}, "gelu"


def _read_parameters(path):
    """Returns what a YAML file says, which may be JSON."""
    try:
        return readers.read_json(path)
    except ValueError:
        if path.endswith(".json"):
            raise
    try:
        import yaml
    except ImportError as error:
        raise ImportError(
            f"'{path}' is read with the package yaml. Try: pip install "
            "pyyaml; or move the file away and name what it says in the call."
        ) from error
    if os.path.getsize(path) > MOST_BYTES:
        raise ValueError(
            f"'{path}' has {os.path.getsize(path):,} bytes, and a file of "
            f"parameters no more than {MOST_BYTES:,}."
        )
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if text.count("[") + text.count("{") > MOST_BRACKETS:
            raise ValueError("it has too many brackets")
        content = yaml.safe_load(text)
        if _count(content, {}) > MOST_VALUES:
            raise ValueError("its aliases say too much")
        return content
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(
            f"'{path}' is not YAML that can be read: {error}."
        ) from error


def _count(value, known):
    """How many values there are where each alias is written out."""
    if not isinstance(value, Mapping | list):
        return 1
    if id(value) not in known:
        known[id(value)] = MOST_VALUES + 1  # Of a value within itself.
        inner = value.values() if isinstance(value, Mapping) else value
        known[id(value)] = 1 + sum(_count(x, known) for x in inner)
    return known[id(value)]


def _check_numbers(parameters, path):
    """Raises `ValueError` for what is not of the kind that it must be."""
    whole = {theirs for _, theirs in SIZES} | {"pad_token_id"}
    wrong = [
        f"{name}={value!r:.80}"
        for name, value in parameters.items()
        if (name in whole and not _is_int(value))
        or ("dropout" in str(name) and not _is_rate(value))
        or ("activation" in str(name) and not isinstance(value, str))
        or (name == "attention_window" and not _is_windows(value))
    ]
    if wrong:
        raise ValueError(
            f"'{path}' says of an encoder what none can have: "
            f"{', '.join(wrong)}."
        )


def _is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_rate(value):
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < 1


def _is_windows(value):
    values = value if isinstance(value, list) else [value]
    return all(_is_int(x) and 0 < x <= LARGEST_WINDOW for x in values)


def _check_kind(content, path):
    """Raises `ValueError` for an encoder that only shares a BERT's arrays."""
    for encoder in _values(content, "encoder"):
        named = isinstance(encoder, Mapping)
        kind = encoder.get("type", "bert") if named else encoder
        if not isinstance(kind, str) or kind not in ENCODERS:
            raise ValueError(
                f"'{path}' is of an encoder of type {kind!r}, which computes "
                f"something else. Read are those of {ENCODERS}."
            )


def _encoders(content):
    """Yields all parameters of encoders among what a file says."""
    if isinstance(content, Mapping) and "num_attention_heads" in content:
        yield content
        return
    for encoder in _values(content, "encoder"):
        if not isinstance(encoder, Mapping):
            continue
        kind = encoder.get("type")
        if isinstance(kind, str) and kind in encoder:
            inner = encoder[kind] or {}
            if isinstance(inner, Mapping):
                yield inner


def _values(content, name):
    """Yields all values of a key, however deep."""
    if isinstance(content, Mapping):
        if name in content:
            yield content[name]
        for value in content.values():
            yield from _values(value, name)
