"""Rebuilds a SentencePiece model from a `tokenizer.json`.

Hugging Face's `Unigram` has SentencePiece's pieces and scores, `Precompiled`
its normalization, and `Metaspace` its `▁`. Which pieces stand before and after
the model's own shows in the vocabulary: fairseq's tokens come first.
"""

import base64
import collections
import dataclasses
import sys

from keras_longformer.tokenizers.file_parts import flat_parts
from keras_longformer.tokenizers.hugging_face import TokenizerFolder
from keras_longformer.tokenizers.sentence_piece.charsmap import Charsmap
from keras_longformer.tokenizers.sentence_piece.encoder import EncoderOptions
from keras_longformer.tokenizers.sentence_piece.layout import CAMEMBERT
from keras_longformer.tokenizers.sentence_piece.layout import XLM_ROBERTA
from keras_longformer.tokenizers.sentence_piece.layout import IdLayout
from keras_longformer.tokenizers.sentence_piece.model import BYTE
from keras_longformer.tokenizers.sentence_piece.model import CONTROL
from keras_longformer.tokenizers.sentence_piece.model import NORMAL
from keras_longformer.tokenizers.sentence_piece.model import NUM_BYTES
from keras_longformer.tokenizers.sentence_piece.model import UNIGRAM
from keras_longformer.tokenizers.sentence_piece.model import UNKNOWN
from keras_longformer.tokenizers.sentence_piece.model import UNUSED
from keras_longformer.tokenizers.sentence_piece.model import add_piece
from keras_longformer.tokenizers.sentence_piece.model import messages

SPACES = " {2,}"  # The pattern with which runs of spaces become one.
# No map of SentencePiece's touches it, and Rust takes it for a space. Texts
# that hold this control character are where the two differ.
NEXT_LINE = "\x85"
MODEL_KEYS = {"type", "unk_id", "vocab", "byte_fallback"}


@dataclasses.dataclass
class Steps:
    """What a `tokenizer.json` does to a text before `Unigram` sees it."""

    charsmap: bytes = b""
    joins_spaces: bool = False
    strips_left: bool = False
    strips_right: bool = False
    splits_at_spaces: bool = False
    prepend_scheme: str | None = None
    splits_words: bool = True


def is_unigram(folder: TokenizerFolder) -> bool:
    """Whether a folder's `tokenizer.json` is of this kind."""
    model = folder.part("model")
    return model.get("type", "Unigram") == "Unigram" and isinstance(
        model.get("vocab"), list
    )


def read_unigram(
    folder: TokenizerFolder, problems: list[str]
) -> tuple[bytes, IdLayout, EncoderOptions]:
    """Returns the model, its layout and what is done with white space.

    Args:
        folder: its `tokenizer.json` is of this kind.
        problems: what cannot be followed is appended to it; then the returned
            is of no use.
    """
    model = folder.part("model")
    steps = _read_steps(folder, problems)
    unknown = model.get("unk_id")
    vocabulary = model["vocab"]
    problems += [
        f"tokenizer.json: model.{key} = {model[key]!r}"
        for key in sorted(set(model) - MODEL_KEYS)
        if model[key]
    ]
    if not isinstance(unknown, int) or not 0 <= unknown < len(vocabulary):
        problems.append(f"tokenizer.json: model.unk_id = {unknown!r}")
        return b"", IdLayout(), EncoderOptions()
    names = [piece for piece, _ in vocabulary]
    counts = collections.Counter(names)
    again = [name for name, count in counts.items() if count > 1]
    if again:
        problems.append(f"tokenizer.json: the pieces {again[:5]} stand twice")
    layout, first, last = _layout_of(names, unknown)
    special = {t.content for t in folder.added_tokens if t.special}
    message = messages().ModelProto()
    spec = message.normalizer_spec
    spec.precompiled_charsmap = steps.charsmap
    spec.add_dummy_prefix = True
    spec.remove_extra_whitespaces = True
    message.trainer_spec.model_type = UNIGRAM
    has_bytes = bool(model.get("byte_fallback"))
    message.trainer_spec.byte_fallback = has_bytes
    bytes_ = {f"<0x{i:02X}>" for i in range(NUM_BYTES)} if has_bytes else set()
    if not bytes_ <= set(names):
        problems.append("tokenizer.json: byte_fallback without all bytes")
    if layout.head:  # The first pieces that SentencePiece's trainer makes.
        for name in ("<unk>", "<s>", "</s>")[: layout.replaced]:
            kind = UNKNOWN if name == "<unk>" else CONTROL
            add_piece(message, name, kind)
    for i in range(first, last):
        name, score = vocabulary[i]
        if i == unknown:
            kind = UNKNOWN
        elif name in special:
            kind = CONTROL
        elif name in bytes_:
            kind = BYTE
        elif steps.splits_words and "▁" in name[1:]:
            kind = UNUSED  # No word has one but at its beginning.
        else:
            kind = NORMAL
        add_piece(message, name, kind, score)
    message.trainer_spec.vocab_size = len(message.pieces)
    message.trainer_spec.unk_id = 0 if layout.head else unknown
    options = EncoderOptions(
        prepend_scheme=steps.prepend_scheme or "always",
        trailing_space="never"
        if steps.splits_at_spaces
        else "before_tokens"
        if steps.strips_right
        else "always",
    )
    return message.SerializeToString(), layout, options


def _layout_of(names, unknown):
    """Returns the layout, and where the model's own pieces begin and end."""
    for layout in (CAMEMBERT, XLM_ROBERTA):
        size = len(layout.head)
        fits = tuple(names[:size]) == layout.head
        if not fits or unknown != layout.head.index(layout.unk_token):
            continue
        last = len(names) - len(layout.tail)
        if tuple(names[last:]) != layout.tail:
            layout, last = dataclasses.replace(layout, tail=()), len(names)
        return layout, size, last
    return IdLayout(unk_token=names[unknown]), 0, len(names)


def _read_steps(folder, problems) -> Steps:
    steps = Steps()
    for step in flat_parts(folder.part("normalizer"), "normalizers"):
        if not _read_normalizer(step, steps):
            problems.append(f"tokenizer.json: normalizer {_shown(step)}")
    for step in flat_parts(folder.part("pre_tokenizer"), "pretokenizers"):
        if not _read_pre_tokenizer(step, steps):
            problems.append(f"tokenizer.json: pre_tokenizer {_shown(step)}")
    if problems:
        return steps
    always = steps.prepend_scheme == "always"
    if steps.prepend_scheme is None:
        problems.append("tokenizer.json: no pre_tokenizer Metaspace")
    elif steps.splits_at_spaces and not always:
        problems.append(
            "tokenizer.json: pre_tokenizer WhitespaceSplit before Metaspace "
            f"with prepend_scheme {steps.prepend_scheme!r}"
        )
    elif steps.strips_left and not always:
        problems.append(
            "tokenizer.json: normalizer Strip of the left side with "
            f"prepend_scheme {steps.prepend_scheme!r}"
        )
    elif not steps.splits_at_spaces and not steps.joins_spaces:
        problems.append(
            "tokenizer.json: runs of spaces stay as they are, without "
            f"normalizer Replace of {SPACES!r}"
        )
    if steps.splits_at_spaces or steps.strips_right:
        kept = _kept_spaces(steps.charsmap)
        if kept:
            problems.append(
                "tokenizer.json: a normalizer that leaves white space such as "
                f"{kept[:5]} to a Strip or WhitespaceSplit"
            )
    return steps


def _read_normalizer(step, steps) -> bool:
    """Reads a normalizer; returns whether it can be followed."""
    kind = step.get("type")
    before = steps.joins_spaces or steps.strips_left or steps.strips_right
    if kind == "Precompiled" and not steps.charsmap and not before:
        steps.charsmap = base64.b64decode(step["precompiled_charsmap"])
        return True
    if kind == "Strip":
        steps.strips_left |= bool(step.get("strip_left", True))
        steps.strips_right |= bool(step.get("strip_right", True))
        return True
    if kind == "Replace":
        is_run = step.get("pattern") == {"Regex": SPACES}
        steps.joins_spaces |= is_run
        return is_run and step.get("content") in (" ", "▁")
    return False


def _read_pre_tokenizer(step, steps) -> bool:
    kind = step.get("type")
    if kind == "WhitespaceSplit" and steps.prepend_scheme is None:
        steps.splits_at_spaces = True
        return True
    if kind == "Metaspace" and steps.prepend_scheme is None:
        adds = step.get("add_prefix_space", True)
        scheme = step.get("prepend_scheme", "always" if adds else "never")
        steps.prepend_scheme = scheme if adds else "never"
        steps.splits_words = step.get("split", True)
        return (
            step.get("replacement") == "▁"
            and scheme in ("always", "first", "never")
            and (steps.splits_words or not steps.splits_at_spaces)
        )
    return False


def _shown(step):
    options = {
        key: value
        for key, value in step.items()
        if key not in ("type", "precompiled_charsmap")
    }
    return f"{step.get('type')} {options or ''}".strip()


def _kept_spaces(blob):
    """Returns the white space that a charsmap makes no space or nothing of."""
    charsmap = Charsmap(blob)
    spaces = filter(str.isspace, map(chr, range(sys.maxunicode + 1)))
    # Separators of information, which only Python takes for spaces.
    others = (" ", NEXT_LINE, *map(chr, range(0x1C, 0x20)))
    return [
        character
        for character in spaces
        if character not in others and charsmap.get(character) not in (" ", "")
    ]
