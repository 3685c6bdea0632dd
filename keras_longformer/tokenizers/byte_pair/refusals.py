"""What of a `tokenizer.json` this byte-level BPE cannot follow."""

from collections.abc import Iterable

from keras_longformer.tokenizers.byte_pair.vocabulary import byte_alphabet
from keras_longformer.tokenizers.file_parts import FILE
from keras_longformer.tokenizers.file_parts import flat_parts
from keras_longformer.tokenizers.file_parts import shown_part

# Bytes that UTF-8 never has, so that no text needs a token for them.
NEVER_IN_UTF8 = (0xC0, 0xC1, *range(0xF5, 0x100))
# Options of the model that change no id at these values.
HARMLESS = {
    "dropout": (None, 0, 0.0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
}


def model_problems(model: dict) -> list[str]:
    """Returns what `model` says that would change ids."""
    return [
        f"{FILE}: model.{name} {model[name]!r}"
        for name, harmless in HARMLESS.items()
        if model.get(name) not in harmless
    ]


def missing_byte_problems(
    vocabulary: Iterable[str], model: dict, unk_token: str | None
) -> list[str]:
    """Returns what happens there to bytes without a token, and not here.

    Here such a byte is the unknown token, each by itself.
    """
    vocabulary = set(vocabulary)
    missing = [
        f"0x{byte:02X}"
        for character, byte in byte_alphabet().items()
        if character not in vocabulary and byte not in NEVER_IN_UTF8
    ]
    if not missing:
        return []
    shown = ", ".join(missing[:8]) + (", ..." if len(missing) > 8 else "")
    what = f"the vocabulary has no token for {len(missing)} bytes ({shown})"
    if model.get("byte_fallback"):
        return [f"{what}, and {FILE} says model.byte_fallback"]
    if model.get("unk_token") is None:
        return [f"{what}, which Hugging Face's tokenizer leaves out of a text"]
    if model["unk_token"] != unk_token:
        return [
            f"{what}, which become model.unk_token {model['unk_token']!r}, not "
            f"the unk_token {unk_token!r}"
        ]
    if model.get("fuse_unk"):
        return [f"{what}, and model.fuse_unk makes one token of several"]
    return []


def text_problems(tokenizer: dict) -> list[str]:
    """Returns what happens to texts there before words are merged."""
    problems = [
        f"{FILE}: normalizer {shown_part(part)}"
        for part in flat_parts(tokenizer.get("normalizer"), "normalizers")
    ]
    parts = flat_parts(tokenizer.get("pre_tokenizer"), "pretokenizers")
    if [part.get("type") for part in parts] != ["ByteLevel"]:
        shown = ", ".join(map(shown_part, parts)) or "none"
        problems.append(f"{FILE}: pre_tokenizer {shown}, not ByteLevel alone")
    elif not parts[0].get("use_regex", True):
        problems.append(f"{FILE}: pre_tokenizer ByteLevel with use_regex false")
    decoders = flat_parts(tokenizer.get("decoder"), "decoders")
    problems += [
        f"{FILE}: decoder {shown_part(part)}"
        for part in decoders
        if part.get("type") != "ByteLevel"
    ]
    return problems


def prefix_space(tokenizer: dict) -> bool:
    """Returns what `pre_tokenizer` says of a space before a text."""
    parts = flat_parts(tokenizer.get("pre_tokenizer"), "pretokenizers")
    return any(part.get("add_prefix_space", False) for part in parts)


def is_sequence(tokenizer: dict) -> bool:
    """Whether `pre_tokenizer` is a list, whose parts transformers leaves."""
    return (tokenizer.get("pre_tokenizer") or {}).get("type") == "Sequence"
