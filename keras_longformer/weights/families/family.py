"""What a family of encoders is, and what follows from its facts."""

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_longformer.weights import names
from keras_longformer.weights.families import config as config_keys
from keras_longformer.weights.families.sizes import problems_with_sizes
from keras_longformer.weights.lazy import LazyArray
from keras_longformer.weights.lengthen import POSITION_TABLE

DEFAULT_WINDOW_SIZE = 512  # both LongformerConfig's and the released model's.


@dataclass(frozen=True)
class Family:
    """The facts of encoders that Hugging Face configures and names alike.

    Tables of modules have rows as `names` explains them.

    Attributes:
        model_types: strings, what their `config.json` says they are.
        keys: rows (ours, theirs, default) of keys of one meaning; a default of
            `None` is a key that must be there.
        fixed: rows (theirs, value) of what a file may say, and the only value
            that our encoder knows; a file may also say `null`.
        no_effect: keys of this family that change no number, besides those of
            `config.NO_EFFECT`.
        activation_key: str, the key of the feed-forward layers' activation.
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
        head_names: rows (module, module) of heads' modules: as Longformer's
            heads name it, which tasks go by, and as this family does.
        head_activations: rows (module, key, default) of heads' dense layers,
            in Longformer's names, whose activation need not be Longformer's:
            the config's key that says it, and what it is without.
        shared_heads: modules that heads of several kinds have, which only
            `architectures` tells apart.
        heads_drop: bool, whether `classifier_dropout` counts.
        position_table: str, our name of the encoder's positions.
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
    no_effect: tuple[str, ...] = ()
    activation_key: str = "hidden_act"
    head_names: tuple[tuple[str, str], ...] = ()
    head_activations: tuple[tuple[str, str, str], ...] = ()
    shared_heads: tuple[str, ...] = ("classifier",)
    heads_drop: bool = True
    position_table: str = POSITION_TABLE

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

    def head_modules(self, modules: names.Modules) -> names.Modules:
        """Returns a head's table with this family's names for theirs."""
        own = dict(self.head_names)
        return tuple(
            (ours, own.get(theirs, theirs), kind)
            for ours, theirs, kind in modules
        )

    def activations_of_head(
        self, config: Mapping, modules: names.Modules
    ) -> dict[str, str]:
        """Returns the activations of a head's dense layers, by our modules.

        Only of those that are not as in Longformer's head of this kind. A name
        that we have none for stays theirs.
        """
        said = {
            module: config.get(key, default)
            for module, key, default in self.head_activations
        }
        return {
            ours: config_keys.ACTIVATIONS.get(said[theirs], said[theirs])
            for ours, theirs, _ in modules
            if theirs in said
        }

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
        config_keys.log_unknown(config, self._known_keys(), source)
        keywords = {
            ours: config.get(theirs, default)
            for ours, theirs, default in self.keys
        }
        keywords["activation"] = config_keys.ACTIVATIONS[
            config.get(self.activation_key, "gelu")
        ]
        keywords |= self._positions_said(config, keywords)
        window_size = config.get(self.window_key, DEFAULT_WINDOW_SIZE)
        is_list = isinstance(window_size, (list, tuple))
        if is_list and len(set(window_size)) == 1:
            window_size = window_size[0]
        keywords["window_size"] = window_size
        return keywords

    def num_layers(self, keywords: Mapping) -> int:
        """Returns what `to_ours` takes, of our backbone's keywords."""
        return keywords["num_layers"]

    def num_heads(self, keywords: Mapping) -> int:
        """Returns what `to_ours` takes, of our backbone's keywords."""
        return keywords["num_heads"]

    def to_config(
        self,
        keywords: Mapping,
        *,
        architecture: str,
        num_labels: int | None = None,
        class_names: Sequence[str] | None = None,
        problem_type: str | None = None,
        special_token_ids: Mapping[str, int] | None = None,
    ) -> dict:
        """Returns the `config.json` of a backbone.

        A backbone that counts positions by the column, as BERT does, is
        written with one row more for each id up to the padding's, from which
        theirs counts: see `to_their_positions`.

        Args:
            keywords: mapping, our backbone's `get_config()`.
            architecture: str, a class of transformers.
            num_labels: int or `None`, a classifier's classes.
            class_names: list of str or `None`, their names.
            problem_type: one of ours in `config.PROBLEM_TYPES`, or `None`.
            special_token_ids: mapping of `bos_token_id`, `eos_token_id` and
                `sep_token_id` to int; by default RoBERTa's.

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
            self.activation_key: config_keys.THEIR_ACTIVATIONS[
                keywords.get("activation", "gelu")
            ],
            "tie_word_embeddings": True,
            "initializer_range": 0.02,
            # RoBERTa's ids; their question answering looks for `sep_token_id`.
            "bos_token_id": 0,
            "eos_token_id": 2,
            "sep_token_id": 2,
            "dtype": "float32",
        }
        config |= special_token_ids or {}
        if num_labels is not None:
            labels = class_names or [f"LABEL_{i}" for i in range(num_labels)]
            config["id2label"] = {str(i): name for i, name in enumerate(labels)}
            config["label2id"] = {name: i for i, name in enumerate(labels)}
        if problem_type is not None:
            config["problem_type"] = dict(config_keys.PROBLEM_TYPES)[
                problem_type
            ]
        return config

    def to_ours(
        self,
        arrays: Mapping[str, np.ndarray],
        *,
        num_layers: int,
        num_heads: int,
        head_modules: names.Modules = (),
        source: str = "The checkpoint",
    ) -> dict[str, LazyArray]:
        """Renames and reshapes foreign arrays, reading none for it.

        Args:
            arrays: mapping of foreign name, in any spelling, to array.
            num_layers: int, the encoder's layers.
            num_heads: int, the heads of each.
            head_modules: table of the head that is asked for.
            source: str, the arrays' file, for messages.

        Returns:
            Dict of our name to array. What belongs to another head is left
            out: in a file where the encoder's names have its prefix, all that
            have none. An array of the encoder that no table knows keeps its
            foreign name, so that `assign` can report it.

        Raises:
            ValueError: a weight stored twice whose copies differ.
        """
        head_modules = self.head_modules(head_modules)
        known = self.entries(num_layers) + names.entries(head_modules)
        table = {}
        for entry in known:  # BERT's classifier has the encoder's pooler.
            table.setdefault(entry.theirs, []).append(entry)
        ours = {}
        for theirs, array in self._spelled(
            arrays, head_modules, source
        ).items():
            if theirs not in table:
                ours[theirs] = array
            for entry in table.get(theirs, ()):
                ours[entry.ours] = array.map(
                    lambda array, entry=entry: entry.to_ours(
                        array, self._heads_of(entry, num_heads)
                    )
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
        spelled = {s.name for s in self._spellings(arrays).values()}
        return any(e.theirs in spelled for e in names.entries(self.pooler))

    def check_sizes(
        self, keywords: Mapping, arrays: Mapping[str, np.ndarray], source: str
    ) -> None:
        """Compares what a config says with the shapes of a file's arrays.

        Before anything of that size is made.

        Raises:
            ValueError: all that differs.
        """
        shape_of = getattr(arrays, "shape_of", lambda n: np.shape(arrays[n]))
        shapes = {}
        for name, spelling in self._spellings(arrays).items():
            if spelling.name in shapes:
                continue
            shape = tuple(shape_of(name))
            transposed = shape[::-1] if spelling.is_transposed else shape
            shapes[spelling.name] = transposed
        problems = self._problems_with_sizes(keywords, shapes)
        if problems:
            raise ValueError(
                f"config.json and the weights of '{source}' are not of one "
                "model:\n  " + "\n  ".join(problems)
            )

    def _problems_with_sizes(self, keywords, shapes):
        return problems_with_sizes(self, keywords, shapes)

    def _spellings(self, arrays):
        anchor = f"{self.embeddings[0][1]}.weight"
        plain = names.without_outer_prefix(arrays, self.prefixes, anchor)
        return {
            name: names.spell(plain[name], self.prefixes) for name in arrays
        }

    def _spelled(self, arrays, head_modules, source):
        """Renames by `names.spell`; drops buffers, copies and other heads."""
        spellings = self._spellings(arrays)
        is_task = any(s.has_prefix for s in spellings.values())
        heads = {theirs.split(".")[0] for _, theirs, _ in head_modules}
        wanted = {entry.theirs for entry in names.entries(head_modules)}
        wanted |= self._wanted_copies(heads)
        tied = {second for second, _ in self.tied}
        spelled, not_floats = {}, []
        is_float = getattr(arrays, "is_float", lambda name: True)
        for name, spelling in spellings.items():
            theirs = spelling.name
            is_other_head = is_task and not spelling.has_prefix
            if theirs in self.buffers or (
                theirs not in wanted and (is_other_head or theirs in tied)
            ):
                continue
            if not is_float(name):
                not_floats.append(f"{name} ({arrays.dtype_of(name)})")
                continue
            array = _lazy(arrays, name)
            if spelling.is_transposed:
                array = array.map(np.transpose)
            if theirs in spelled and not np.array_equal(spelled[theirs], array):
                raise ValueError(
                    f"'{source}' holds {theirs} twice, with other numbers "
                    f"the second time (as {name})."
                )
            spelled.setdefault(theirs, array)
        if not_floats:
            more = len(not_floats) - 5
            raise ValueError(
                f"'{source}' is quantized, or no checkpoint of an encoder: "
                "weights are integers, or of 8 bits, whose scales are not "
                f"followed here: {', '.join(not_floats[:5])}"
                f"{f' and {more} more' if more > 0 else ''}. Save the model "
                "again in float32, float16 or bfloat16 (`dequantize()` of "
                "transformers), or take the checkpoint it was made from."
            )
        for second, first in self.tied:
            array = spelled.pop(second, None)
            if array is not None and not np.array_equal(
                spelled.setdefault(first, array), array
            ):
                raise ValueError(
                    f"{second} must equal {first}: our masked-LM head shares "
                    "them, and this checkpoint's differ "
                    "(tie_word_embeddings=False). Open it as a backbone or as "
                    "any other task, which have no use for it."
                )
        return spelled

    def _wanted_copies(self, heads):
        """Names of weights stored twice that these heads' modules have."""
        return {
            second for second, _ in self.tied if second.split(".")[0] in heads
        }

    def _heads_of(self, entry, num_heads):
        """How many heads the layer of a weight has."""
        return num_heads

    def _positions_said(self, config, keywords):
        """Keywords of positions, of a config and the other keywords."""
        rows = config["max_position_embeddings"]
        return {
            "position_rule": self.position_rule,
            "max_sequence_length": rows - self.position_offset(keywords),
        }

    def _needed_keys(self):
        """Rows as those of `keys`, with those that have no row of ours."""
        return (*self.keys, ("", "max_position_embeddings", None))

    def _known_keys(self):
        keys = {theirs for _, theirs, _ in self._needed_keys()}
        keys |= {theirs for theirs, _ in self.fixed} | set(self.no_effect)
        return frozenset(keys | {self.window_key, self.activation_key})

    def _check(self, config, source):
        wrong = config_keys.problems(
            config,
            keys=self._needed_keys(),
            fixed=self.fixed,
            activation_key=self.activation_key,
        )
        wrong = wrong or config_keys.problems_of_sizes(
            config,
            self._needed_keys(),
            self.window_key,
            self.position_rule,
        )
        if wrong:
            raise ValueError(
                f"'{source}' does not describe an encoder that can be read.\n"
                + "\n".join(f"  {kind:<9} {what}" for kind, what in wrong)
            )

    def _check_expressible(self, keywords):
        """Raises `ValueError` naming all that their Longformer cannot do."""
        plain = {"dilation": 1, "causal": False}
        wrong = [
            f"{name}={keywords[name]}"
            for name, value in plain.items()
            if any(
                x != value
                for x in config_keys.flatten(keywords.get(name, value))
            )
        ]
        if wrong:
            raise ValueError(
                "Hugging Face's Longformer has no dilation and is not causal. "
                f"Received: {', '.join(wrong)}. Keep such a model with "
                "`save_to_preset`."
            )


def is_hugging_face(config: Mapping) -> bool:
    """Says whether a `config.json` is Hugging Face's, of any model."""
    return "model_type" in config


def _lazy(arrays, name):
    """Returns one array unread, where the mapping can tell its shape so."""
    shape_of = getattr(arrays, "shape_of", lambda name: arrays[name].shape)
    return LazyArray(lambda: arrays[name], shape_of(name))
