"""What a family of encoders is, and what follows from its facts."""

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_longformer.weights import names
from keras_longformer.weights.lazy import LazyArray

DEFAULT_WINDOW_SIZE = 512  # both LongformerConfig's and the released model's.

# What a text classifier's outputs stand for: ours, theirs.
PROBLEM_TYPES = (
    ("single_label", "single_label_classification"),
    ("multi_label", "multi_label_classification"),
    ("regression", "regression"),
)


@dataclass(frozen=True)
class Family:
    """The facts of encoders that Hugging Face configures and names alike.

    Tables of modules have rows as `names` explains them.

    Attributes:
        model_types: strings, what their `config.json` says they are.
        keys: rows (ours, theirs, default) of keys of one meaning; a default of
            `None` is a key that must be there.
        fixed: rows (theirs, value) of what a file may say, and the only value
            that our encoder knows.
        window_key: str, the key of the windows' sizes, which a file may lack.
        position_rule: str, as `keras_longformer.layers.positions` names it.
        embeddings: table of the modules before the layers.
        layer: table of one layer's; ours stand under `layer_{i}/`.
        layer_path: str, where theirs stand, `{}` for the layer's number.
        pooler: table of the module after them, which a file may lack.
        prefixes: strings, the encoder's name in a task's file; the first is
            that which is written.
        buffers: names in PyTorch's spelling that are no weights.
        tied: rows (second name, first name) of weights stored once in ours.
        encoder_class: str, transformers' class of the bare encoder.
    """

    model_types: tuple[str, ...]
    keys: tuple[tuple[str, str, float | None], ...]
    fixed: tuple[tuple[str, str | bool], ...]
    window_key: str
    position_rule: str
    embeddings: names.Modules
    layer: names.Modules
    layer_path: str
    pooler: names.Modules
    prefixes: tuple[str, ...]
    buffers: tuple[str, ...]
    tied: tuple[tuple[str, str], ...]
    encoder_class: str

    def position_offset(self, keywords: Mapping) -> int:
        """Returns the number of rows before the first position's.

        fairseq, and with it Hugging Face, counts positions from the padding's
        id. RoBERTa's padding is 1, so its first position is row 2.
        """
        if self.position_rule == "padding_offset":
            return keywords["pad_token_id"] + 1
        return 0

    def entries(self, num_layers: int) -> list[names.Entry]:
        """Returns one entry for each weight of the encoder."""
        modules = [*self.embeddings]
        for i in range(num_layers):
            path = self.layer_path.format(i)
            modules += [
                (f"layer_{i}/{ours}", f"{path}.{theirs}", kind)
                for ours, theirs, kind in self.layer
            ]
        return names.entries([*modules, *self.pooler])

    def to_keywords(self, config: Mapping, source: str = "config.json") -> dict:
        """Returns the keywords of our backbone for a Hugging Face config.

        Args:
            config: mapping, what `config.json` says.
            source: str, the folder or file, for messages.

        Returns:
            Dict of `LongformerBackbone`'s keywords, without `pooler`.

        Raises:
            ValueError: a key that is missing or a value that our encoder
                cannot follow; all of them at once.
        """
        self._check(config, source)
        keywords = {
            ours: config.get(theirs, default)
            for ours, theirs, default in self.keys
        }
        keywords["position_rule"] = self.position_rule
        keywords["max_sequence_length"] = config[
            "max_position_embeddings"
        ] - self.position_offset(keywords)
        window_size = config.get(self.window_key, DEFAULT_WINDOW_SIZE)
        is_list = isinstance(window_size, (list, tuple))
        if is_list and len(set(window_size)) == 1:
            window_size = window_size[0]
        keywords["window_size"] = window_size
        return keywords

    def to_config(
        self,
        keywords: Mapping,
        *,
        architecture: str,
        num_labels: int | None = None,
        class_names: Sequence[str] | None = None,
        problem_type: str | None = None,
    ) -> dict:
        """Returns the `config.json` of a backbone.

        Args:
            keywords: mapping, our backbone's `get_config()`.
            architecture: str, a class of transformers.
            num_labels: int or `None`, a classifier's classes.
            class_names: list of str or `None`, their names.
            problem_type: one of ours in `PROBLEM_TYPES`, or `None`.

        Returns:
            Dict; the inverse of `to_keywords`.

        Raises:
            ValueError: the backbone does what theirs cannot.
        """
        self._check_expressible(keywords)
        window_size = keywords["window_size"]
        if isinstance(window_size, int):
            window_size = [window_size] * keywords["num_layers"]
        dropout = keywords["attention_dropout"]
        config = {theirs: keywords[ours] for ours, theirs, _ in self.keys}
        config |= dict(self.fixed)
        config |= {
            "model_type": self.model_types[0],
            "architectures": [architecture],
            self.window_key: list(window_size),
            "attention_probs_dropout_prob": (
                keywords["dropout"] if dropout is None else dropout
            ),
            "max_position_embeddings": (
                keywords["max_sequence_length"] + self.position_offset(keywords)
            ),
            "initializer_range": 0.02,
            # RoBERTa's ids; their question answering looks for `sep_token_id`.
            "bos_token_id": 0,
            "eos_token_id": 2,
            "sep_token_id": 2,
            "dtype": "float32",
        }
        if num_labels is not None:
            labels = class_names or [f"LABEL_{i}" for i in range(num_labels)]
            config["id2label"] = {str(i): name for i, name in enumerate(labels)}
            config["label2id"] = {name: i for i, name in enumerate(labels)}
        if problem_type is not None:
            config["problem_type"] = dict(PROBLEM_TYPES)[problem_type]
        return config

    def to_ours(
        self,
        arrays: Mapping[str, np.ndarray],
        *,
        num_layers: int,
        num_heads: int,
        head_modules: names.Modules = (),
    ) -> dict[str, LazyArray]:
        """Renames and reshapes foreign arrays, reading none for it.

        Args:
            arrays: mapping of foreign name, in any spelling, to array.
            num_layers: int, the encoder's layers.
            num_heads: int, the heads of each.
            head_modules: table of the head that is asked for.

        Returns:
            Dict of our name to array. What belongs to another head is left
            out: in a file where the encoder's names have its prefix, all that
            have none. An array of the encoder that no table knows keeps its
            foreign name, so that `assign` can report it.

        Raises:
            ValueError: a weight stored twice whose copies differ.
        """
        known = self.entries(num_layers) + names.entries(head_modules)
        table = {entry.theirs: entry for entry in known}
        ours = {}
        for theirs, array in self._spelled(arrays, head_modules).items():
            if theirs not in table:
                ours[theirs] = array
                continue
            entry = table[theirs]
            ours[entry.ours] = array.map(
                lambda array, entry=entry: entry.to_ours(array, num_heads)
            )
        return ours

    def to_theirs(
        self,
        arrays: Mapping[str, np.ndarray],
        *,
        num_layers: int,
        head_modules: names.Modules = (),
        prefix: str = "",
    ) -> dict[str, np.ndarray]:
        """Renames and reshapes our arrays; the inverse of `to_ours`.

        Args:
            arrays: mapping of our name to array.
            num_layers: int, the encoder's layers.
            head_modules: table of the head.
            prefix: str, put before the encoder's names, `"longformer."` in a
                task's file and nothing in a bare encoder's.

        Returns:
            Dict of PyTorch's name to contiguous array.

        Raises:
            ValueError: a name that Hugging Face has no name for.
        """
        head = {entry.ours: entry for entry in names.entries(head_modules)}
        encoder = {entry.ours: entry for entry in self.entries(num_layers)}
        unknown = sorted(set(arrays) - set(encoder) - set(head))
        if unknown:
            raise ValueError(
                f"Hugging Face's {self.encoder_class} has no weights like: "
                f"{', '.join(unknown)}."
            )
        theirs = {}
        for name, array in arrays.items():
            entry = encoder.get(name) or head[name]
            key = entry.theirs if name not in encoder else prefix + entry.theirs
            theirs[key] = np.ascontiguousarray(entry.to_theirs(array))
        return theirs

    def has_pooler(self, arrays: Mapping[str, np.ndarray]) -> bool:
        """Says whether foreign arrays have a pooler."""
        spelled = {names.spell(name, self.prefixes).name for name in arrays}
        return any(e.theirs in spelled for e in names.entries(self.pooler))

    def _spelled(self, arrays, head_modules):
        """Renames by `names.spell`; drops buffers, copies and other heads."""
        spellings = {name: names.spell(name, self.prefixes) for name in arrays}
        is_task = any(s.has_prefix for s in spellings.values())
        heads = {theirs.split(".")[0] for _, theirs, _ in head_modules}
        wanted = {entry.theirs for entry in names.entries(head_modules)}
        wanted |= {
            second for second, _ in self.tied if second.split(".")[0] in heads
        }
        tied = {second for second, _ in self.tied}
        spelled = {}
        for name, spelling in spellings.items():
            theirs = spelling.name
            is_other_head = is_task and not spelling.has_prefix
            if theirs in self.buffers or (
                theirs not in wanted and (is_other_head or theirs in tied)
            ):
                continue
            array = _lazy(arrays, name)
            if spelling.is_transposed:
                array = array.map(np.transpose)
            if theirs in spelled and not np.array_equal(spelled[theirs], array):
                raise ValueError(
                    f"The checkpoint holds {theirs} twice, with other numbers "
                    f"the second time (as {name})."
                )
            spelled.setdefault(theirs, array)
        for second, first in self.tied:
            array = spelled.pop(second, None)
            if array is not None and not np.array_equal(
                spelled.setdefault(first, array), array
            ):
                raise ValueError(
                    f"{second} must equal {first}: our masked-LM head shares "
                    "them, and this checkpoint's differ."
                )
        return spelled

    def _check(self, config, source):
        required = [
            theirs for _, theirs, default in self.keys if default is None
        ]
        required.append("max_position_embeddings")
        wrong = [
            f"  missing   {name}" for name in required if name not in config
        ]
        wrong += [
            f"  unknown   {name}={config[name]!r}, where only {value!r} can be "
            "read"
            for name, value in self.fixed
            if config.get(name, value) != value
        ]
        if wrong:
            raise ValueError(
                f"'{source}' does not describe an encoder that can be read.\n"
                + "\n".join(wrong)
            )

    def _check_expressible(self, keywords):
        """Raises `ValueError` naming all that their Longformer cannot do."""
        plain = {
            "dilation": 1,
            "causal": False,
            "position_rule": self.position_rule,
        }
        wrong = [
            f"{name}={keywords[name]}"
            for name, value in plain.items()
            if any(x != value for x in _flatten(keywords.get(name, value)))
        ]
        if wrong:
            raise ValueError(
                "Hugging Face's Longformer has no dilation, is not causal and "
                f"counts positions by {self.position_rule!r}. "
                f"Received: {', '.join(wrong)}. Keep such a model with "
                "`save_to_preset`."
            )


def is_hugging_face(config: Mapping) -> bool:
    """Says whether a `config.json` is Hugging Face's, of any model."""
    return "model_type" in config


def head_keywords(config: Mapping) -> dict:
    """Returns what a Hugging Face config says of a classifier.

    Returns:
        Dict with `class_names`, list of str, where its labels have other
        names than `LABEL_0`, ..., and `problem_type`, where it says one.
    """
    keywords = {}
    labels = config.get("id2label") or {}
    labels = [labels[i] for i in sorted(labels, key=int)]
    if any(name != f"LABEL_{i}" for i, name in enumerate(labels)):
        keywords["class_names"] = labels
    for ours, theirs in PROBLEM_TYPES:
        if config.get("problem_type") == theirs:
            keywords["problem_type"] = ours
    return keywords


def _lazy(arrays, name):
    """Returns one array unread, where the mapping can tell its shape so."""
    shape_of = getattr(arrays, "shape_of", lambda name: arrays[name].shape)
    return LazyArray(lambda: arrays[name], shape_of(name))


def _flatten(value):
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in _flatten(item)]
    return [value]
