"""A SentencePiece model, read and checked, and what runs in the graph of it.

TensorFlow Text runs SentencePiece's own C++ library. Two models are made of
the one that a folder has:

- what it runs, in which each unknown character becomes its bytes. C++ joins
  neighbouring unknown characters in time that grows with the square of their
  number; the bytes are joined here instead. That also tells how long they are.
- one that turns all of a text into bytes, after the same normalization: from
  its length it is known whether a token ends within a character that became
  several (`offsets.py`).
"""

import math
import os
import pathlib

from keras_longformer.tokenizers.sentence_piece.charsmap import Charsmap

# `ModelProto.SentencePiece.Type`
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
UNIGRAM, CHARACTERS = 1, 4  # `TrainerSpec.ModelType`
NUM_BYTES = 256
# Marks a place in a text, as a piece that nothing joins. Unicode keeps this
# code point out of all texts; one that holds it nevertheless is given another.
MARK, OTHER_NONCHARACTER = "\ufdd0", "\ufdd1"

PathLike = str | os.PathLike


def import_extra(module: str):
    """Imports an optional package, or says how to install it."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0].replace("_", "-")
        raise ImportError(
            f"SentencePiece tokenizers need the package {package}. Try: "
            "pip install 'keras_longformer[text]'."
        ) from error


def messages():
    """Returns the module of SentencePiece's protocol buffers."""
    return import_extra("sentencepiece.sentencepiece_model_pb2")


class SentencePieceModel:
    """The pieces of a model and its normalization.

    Args:
        proto: bytes of a serialized `ModelProto`, or the path of a
            `sentencepiece.bpe.model`, `spiece.model`, ...

    Raises:
        ValueError: it is none, or of a form that is not followed here.
    """

    def __init__(self, proto: bytes | PathLike):
        source = "`proto`"
        if isinstance(proto, str | os.PathLike):
            source = f"'{os.fspath(proto)}'"
            proto = pathlib.Path(proto).read_bytes()
        if not isinstance(proto, bytes):
            raise TypeError(
                "`proto` must be the bytes of a SentencePiece model, or the "
                f"path of one. Received: {type(proto).__name__}"
            )
        self.proto = proto
        self._message = _parsed(proto, source)
        pieces = self._message.pieces
        self.pieces = [piece.piece for piece in pieces]
        self.types = [piece.type for piece in pieces]
        self._check(source)
        self.unknown_index = self.types.index(UNKNOWN)
        try:
            self.charsmap = Charsmap(self.charsmap_bytes)
        except ValueError as error:
            raise ValueError(
                f"The SentencePiece model {source} cannot be followed: {error}"
            ) from error

    @property
    def charsmap_bytes(self) -> bytes:
        """The normalization, as a file has it."""
        return self._message.normalizer_spec.precompiled_charsmap

    @property
    def is_hugging_face_unigram(self) -> bool:
        """Whether a `tokenizer.json` can say the same."""
        spec = self._message.normalizer_spec
        return (
            self._message.trainer_spec.model_type == UNIGRAM
            and spec.add_dummy_prefix
            and spec.remove_extra_whitespaces
            and USER_DEFINED not in self.types
        )

    def scored_pieces(self) -> list[tuple[str, float]]:
        """Returns each piece with its score, rounded as a file has it."""
        return [(piece.piece, piece.score) for piece in self._message.pieces]

    @property
    def adds_prefix(self) -> bool:
        """Whether a text gets a `▁` before its first word."""
        return self._message.normalizer_spec.add_dummy_prefix

    @property
    def has_bytes(self) -> bool:
        """Whether it has pieces for the bytes of unknown characters."""
        return self._message.trainer_spec.byte_fallback

    def running(self, with_mark: bool) -> tuple[bytes, list[str], list[int]]:
        """Returns the model to run, and the texts and types of its pieces.

        Args:
            with_mark: whether `MARK` is a piece of it, the last one.
        """
        message = self._copy(with_pieces=True)
        if not self.has_bytes:
            _add_bytes(message)
        if with_mark:
            add_piece(message, MARK, USER_DEFINED)
        return (
            message.SerializeToString(),
            [piece.piece for piece in message.pieces],
            [piece.type for piece in message.pieces],
        )

    def measuring(self) -> tuple[bytes, list[str], list[int]]:
        """Returns the model that turns a text into bytes, likewise.

        It adds nothing before a text and joins white space as this one does.
        """
        message = self._copy(with_pieces=False)
        message.normalizer_spec.add_dummy_prefix = False
        message.trainer_spec.model_type = CHARACTERS
        user_defined = [
            text
            for text, kind in zip(self.pieces, self.types)
            if kind == USER_DEFINED
        ]
        add_piece(message, "<unk>", UNKNOWN)
        for text in user_defined:
            add_piece(message, text, USER_DEFINED)
        _add_bytes(message)
        return (
            message.SerializeToString(),
            [piece.piece for piece in message.pieces],
            [piece.type for piece in message.pieces],
        )

    def _copy(self, with_pieces: bool):
        """Returns a new model with the parts that matter: not the test that
        a model may bring, which another one fails."""
        message = type(self._message)()
        message.normalizer_spec.CopyFrom(self._message.normalizer_spec)
        if with_pieces:
            message.trainer_spec.CopyFrom(self._message.trainer_spec)
            message.pieces.extend(self._message.pieces)
        return message

    def _check(self, source):
        problems, pieces = [], self._message.pieces
        if self.types.count(UNKNOWN) != 1:
            problems.append(
                f"{self.types.count(UNKNOWN)} of its pieces are the unknown "
                "one, not 1"
            )
        if self._message.trainer_spec.treat_whitespace_as_suffix:
            problems.append(
                "`treat_whitespace_as_suffix`: '▁' ends words in it"
            )
        if not self._message.normalizer_spec.escape_whitespaces:
            problems.append("`escape_whitespaces` is off: it has no '▁'")
        if self.has_bytes and self.types.count(BYTE) != NUM_BYTES:
            problems.append(
                f"`byte_fallback` with {self.types.count(BYTE)} of "
                f"{NUM_BYTES} bytes"
            )
        wrong = [p.piece for p in pieces if not math.isfinite(p.score)]
        if wrong:
            problems.append(
                f"the scores of {len(wrong)} pieces are no numbers: {wrong[:5]}"
            )
        if problems:
            raise ValueError(
                f"The SentencePiece model {source} cannot be followed: "
                + "; ".join(problems)
            )


def piece_sizes(pieces: list[str], types: list[int]) -> list[int]:
    """Returns how many bytes of normalized text each piece stands for."""
    return [
        1 if kind == BYTE else len(text.encode("utf-8"))
        for text, kind in zip(pieces, types)
    ]


def _parsed(proto, source):
    from google.protobuf.message import DecodeError

    message = messages().ModelProto()
    try:
        message.ParseFromString(proto)
    except DecodeError as error:
        raise _no_model(source, len(proto)) from error
    if not message.pieces:
        raise _no_model(source, len(proto))
    return message


def _no_model(source, size):
    return ValueError(
        f"{source} is not a SentencePiece model: its {size} bytes cannot be "
        "read as one. It may be cut short, or a Git LFS pointer; fetch it "
        "again."
    )


def _add_bytes(message):
    message.trainer_spec.byte_fallback = True
    for byte in range(NUM_BYTES):
        add_piece(message, f"<0x{byte:02X}>", BYTE)


def add_piece(message, text: str, kind: int, score: float = 0.0) -> None:
    """Appends a piece to a `ModelProto`."""
    piece = message.pieces.add()
    piece.piece, piece.type, piece.score = text, kind, score
