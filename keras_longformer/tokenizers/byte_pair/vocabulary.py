"""A byte-level BPE vocabulary: tokens, ids and merge rules, read and checked.

A byte-level vocabulary writes each of the 256 bytes as one printable
character (`"Ġ"` is the space), so a token is a string over that alphabet and
every text, however broken, has tokens.
"""

import functools
import json
import pathlib
from collections.abc import Iterable
from collections.abc import Mapping

from keras_longformer.tokenizers.file_parts import id_problems
from keras_longformer.tokenizers.file_parts import raise_if_any

PathLike = str | pathlib.Path

NO_VOCABULARY = (
    "`vocabulary` and `merges` do not make a byte-level BPE vocabulary"
)
NOT_BYTE_LEVEL = (
    "This is not a byte-level BPE vocabulary, as RoBERTa and Longformer have "
    "it. SentencePiece vocabularies (XLM-RoBERTa, CamemBERT) and WordPiece "
    "vocabularies (BERT) need their own tokenizer: tokenize with it and pass "
    "token ids to the model."
)


@functools.cache
def byte_alphabet() -> dict[str, int]:
    """Returns the character that stands for each byte, mapped to the byte.

    Printable Latin-1 characters stand for themselves, the other 68 bytes for
    the code points from 256 on, in order: OpenAI's `bytes_to_unicode`.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    alphabet = {chr(byte): byte for byte in printable}
    alphabet.update({chr(256 + i): byte for i, byte in enumerate(others)})
    return alphabet


@functools.cache
def _byte_translation() -> dict[int, int]:
    return {ord(character): byte for character, byte in byte_alphabet().items()}


def token_bytes(token: str) -> bytes:
    """Returns the bytes that `token` stands for.

    A token that is not over the byte alphabet, such as one added by hand,
    stands for its own UTF-8.
    """
    try:
        return token.translate(_byte_translation()).encode("latin-1")
    except UnicodeEncodeError:
        return token.encode("utf-8")


class Vocabulary:
    """Tokens with their ids, and merge rules in order of rank.

    Args:
        tokens: dict from token to id, or the path of a `vocab.json`.
        merges: list of rules, each `"left right"` or a pair, or the path of
            a `merges.txt`. Where a rule stands twice, the last one counts,
            as in Hugging Face's `tokenizers`.
        special_tokens: tokens that must be there.
        added_tokens: tokens that no merge makes and that are found in texts:
            they may be any string.

    Raises:
        ValueError: lists what is wrong with the tokens or the merges.
    """

    def __init__(
        self,
        tokens: Mapping[str, int] | PathLike,
        merges: Iterable[str | tuple[str, str]] | PathLike,
        special_tokens: Iterable[str] = (),
        added_tokens: Iterable[str] = (),
    ):
        self.tokens = read_tokens(tokens)
        self.merges = read_merges(merges)
        raise_if_any(
            _token_problems(self.tokens, special_tokens, set(added_tokens)),
            NO_VOCABULARY,
        )
        raise_if_any(_merge_problems(self.tokens, self.merges), NO_VOCABULARY)
        self.by_id = {i: token for token, i in self.tokens.items()}

    @property
    def size(self) -> int:
        """The number of ids, holes included: one more than the largest."""
        return max(self.by_id) + 1

    def token_bytes_by_id(self) -> list[bytes]:
        """Returns each id's bytes, none for an id that no token has."""
        texts = [b""] * self.size
        for token, i in self.tokens.items():
            texts[i] = token_bytes(token)
        return texts


def read_tokens(tokens: Mapping[str, int] | PathLike) -> dict[str, int]:
    """Returns the dict from token to id, reading a `vocab.json` if need be."""
    if isinstance(tokens, str | pathlib.Path):
        path = tokens
        try:
            tokens = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(
                f"'{path}' is not a vocab.json (a JSON object from token to "
                f"id): {error}. {NOT_BYTE_LEVEL}"
            ) from error
    if not isinstance(tokens, Mapping):
        raise TypeError(
            "`vocabulary` must be a dict from token to id, or the path of a "
            f"vocab.json that holds one. Received: {type(tokens).__name__}."
        )
    return dict(tokens)


def read_merges(
    merges: Iterable[str | tuple[str, str]] | PathLike,
) -> list[tuple[str, str]]:
    """Returns the rules as pairs, reading a `merges.txt` if need be.

    A `#version` line and empty lines are no rules.
    """
    if isinstance(merges, str | pathlib.Path):
        merges = pathlib.Path(merges).read_text(encoding="utf-8").split("\n")
    rules, problems = [], []
    for number, rule in enumerate(merges):
        if isinstance(rule, str):
            rule = rule.rstrip("\r\n")
            if not rule or rule.startswith("#version"):
                continue
            parts = tuple(rule.split(" "))
        else:
            parts = tuple(rule)
        if len(parts) != 2 or not all(parts):
            problems.append(f"merge {number}, {rule!r}, is not two tokens")
        rules.append(parts)
    raise_if_any(problems, NO_VOCABULARY)
    return rules


def _token_problems(
    tokens: dict[str, int],
    special_tokens: Iterable[str],
    added_tokens: set[str],
) -> list[str]:
    problems = id_problems(tokens, special_tokens)
    own = (t for t in tokens if isinstance(t, str) and t not in added_tokens)
    if any("▁" in token for token in own):
        problems.append(f"tokens hold '▁'. {NOT_BYTE_LEVEL}")
    return problems


def _merge_problems(
    tokens: dict[str, int], merges: list[tuple[str, str]]
) -> list[str]:
    alphabet = set(byte_alphabet())
    problems = []
    for rank, (left, right) in enumerate(merges):
        rule = f"merge {rank}, '{left} {right}'"
        if left in tokens and right in tokens and left + right in tokens:
            if alphabet.issuperset(left + right):
                continue
            problems.append(f"{rule}, is no bytes. {NOT_BYTE_LEVEL}")
            return problems
        lost = [t for t in (left, right, left + right) if t not in tokens]
        problems.append(f"{rule}, needs tokens that are missing: {lost}")
    return problems
