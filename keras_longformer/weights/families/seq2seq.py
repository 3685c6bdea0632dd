"""What a family of encoders with decoders is, besides its encoder."""

from collections.abc import Mapping
from dataclasses import dataclass

from keras_longformer.weights import names
from keras_longformer.weights.families import config as config_keys
from keras_longformer.weights.families import sizes
from keras_longformer.weights.families.family import Family


@dataclass(frozen=True)
class Seq2SeqFamily(Family):
    """The facts of encoders with decoders that Hugging Face names alike.

    Numbers of layers and of heads are pairs: the encoder's, the decoder's.

    Attributes:
        decoder_layer: table of one layer's modules; ours stand under
            `decoder_layer_{i}/`, the encoder's under `encoder_layer_{i}/`.
        decoder_layer_path: str, where theirs stand.
        aliases: rows (name, key): a name of transformers' for a key, which a
            file may have instead.
        max_sequence_length: int, the positions that the encoder is opened
            with, where no key of theirs says any: the model is made long.
        window_size: int, where a file does not say it.
    """

    decoder_layer: names.Modules = ()
    decoder_layer_path: str = ""
    aliases: tuple[tuple[str, str], ...] = ()
    max_sequence_length: int | None = None
    window_size: int = 512

    def entries(self, num_layers: tuple[int, int]) -> list[names.Entry]:
        """Returns one entry for each weight."""
        modules = [*self.embeddings]
        for side, count, path, layer in (
            ("encoder", num_layers[0], self.layer_path, self.layer),
            (
                "decoder",
                num_layers[1],
                self.decoder_layer_path,
                self.decoder_layer,
            ),
        ):
            modules += [
                (f"{side}_layer_{i}/{ours}", f"{path.format(i)}.{theirs}", kind)
                for i in range(count)
                for ours, theirs, kind in layer
            ]
        return names.entries(modules)

    def num_layers(self, keywords: Mapping) -> tuple[int, int]:
        """Returns the encoder's layers and the decoder's."""
        return keywords["num_layers"], keywords["num_decoder_layers"]

    def num_heads(self, keywords: Mapping) -> tuple[int, int]:
        """Returns the heads of the encoder's layers, and the decoder's."""
        return keywords["num_heads"], keywords["num_decoder_heads"]

    def to_keywords(self, config: Mapping, source: str = "config.json") -> dict:
        """Returns the keywords of our backbone for a Hugging Face config.

        Args:
            config: mapping, what `config.json` says.
            source: str, the folder or file, for messages.

        Returns:
            Dict of `LongformerSeq2SeqBackbone`'s keywords, with the encoder's
            positions as many as the file has.

        Raises:
            ValueError: a key that is missing or a value that our model cannot
                follow; all of them at once.
        """
        config = {self.window_key: self.window_size, **config}
        for name, key in self.aliases:
            if name in config:
                config = {key: config[name], **config}
                del config[name]
        return super().to_keywords(config, source)

    def to_config(
        self,
        keywords: Mapping,
        *,
        architecture: str,
        special_token_ids: Mapping[str, int] | None = None,
        generation: Mapping | None = None,
    ) -> dict:
        """Returns the `config.json` of a backbone.

        Args:
            keywords: mapping, our backbone's `get_config()`.
            architecture: str, a class of transformers.
            special_token_ids: mapping of `bos_token_id` and `eos_token_id` to
                int; by default BART's.
            generation: mapping of keys that say how texts are generated.

        Returns:
            Dict; the inverse of `to_keywords`.
        """
        window_size = keywords["window_size"]
        if isinstance(window_size, int):
            window_size = [window_size] * keywords["num_layers"]
        config = {theirs: keywords[ours] for ours, theirs, _ in self.keys}
        ids = {
            "bos_token_id": 0,
            "eos_token_id": 2,
            **(special_token_ids or {}),
        }
        ids.pop("sep_token_id", None)
        return config | {
            "model_type": self.model_types[0],
            "architectures": [architecture],
            self.window_key: list(window_size),
            self.activation_key: config_keys.THEIR_ACTIVATIONS[
                keywords["activation"]
            ],
            "is_encoder_decoder": True,
            "num_hidden_layers": keywords["num_layers"],
            "activation_dropout": 0.0,
            "init_std": 0.02,
            "dtype": "float32",
            "decoder_start_token_id": ids["eos_token_id"],
            **ids,
            **(generation or {}),
        }

    def _positions_said(self, config, keywords):
        """The lengths are keys of their own, and positions are the columns."""
        return {}

    def _needed_keys(self):
        return self.keys

    def _known_keys(self):
        return super()._known_keys() | {name for name, _ in self.aliases}

    def _wanted_copies(self, heads):
        # Any of them may be the only one that is there.
        return {second for second, _ in self.tied}

    def _heads_of(self, entry, num_heads):
        return num_heads[entry.ours.startswith("decoder_")]

    def _problems_with_sizes(self, keywords, shapes):
        problems, table = [], []
        for side, path, count, intermediate in (
            ("encoder", self.layer_path, "num_layers", "intermediate_dim"),
            (
                "decoder",
                self.decoder_layer_path,
                "num_decoder_layers",
                "decoder_intermediate_dim",
            ),
        ):
            problems += sizes.problems_with_layers(
                f"{side}_layers", keywords[count], path, shapes
            )
            first = path.format(0)
            table.append(
                (f"{side}_ffn_dim", keywords[intermediate], f"{first}.fc1", 0)
            )
        their = {ours: theirs for ours, theirs, _ in self.keys}
        # Of the encoder's and the decoder's, where the same key says both.
        for ours, module in (
            ("max_sequence_length", "encoder.embed_positions"),
            ("max_decoder_sequence_length", "decoder.embed_positions"),
        ):
            if ours in their:
                rows = keywords[ours] + self.rows_before
                table.append((their[ours], rows, module, 0))
        words = self.embeddings[0][1]
        table += [
            ("vocab_size", keywords["vocabulary_size"], words, 0),
            ("d_model", keywords["hidden_dim"], words, 1),
        ]
        return problems + sizes.problems_with_shapes(table, shapes)

    @property
    def rows_before(self) -> int:
        """How many rows of the files' position tables are never looked up."""
        kinds = {kind for _, _, kind in self.embeddings}
        return 2 if names.POSITIONS_FROM_2 in kinds else 0
