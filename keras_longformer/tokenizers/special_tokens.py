"""Cuts added and special tokens out of raw texts, as Hugging Face does.

In Hugging Face's `tokenizers`, added tokens are looked for before anything
else happens to a text: of all that begin leftmost the longest, and so on
behind it. What lies between them is tokenized piece by piece.

    "fix [ENT] now"  ->  "fix ", [ENT], " now"

All of it happens on one flat vector of characters, so it is the same for every
kind of tokenizer.
"""

import dataclasses
import typing
from collections.abc import Mapping
from collections.abc import Sequence

import tensorflow as tf

from keras_longformer.tokenizers.characters import SPACE
from keras_longformer.tokenizers.characters import CharacterClasses
from keras_longformer.tokenizers.characters import marks
from keras_longformer.tokenizers.characters import shifted_right
from keras_longformer.tokenizers.characters import word_characters
from keras_longformer.tokenizers.matching import Trie
from keras_longformer.tokenizers.matching import find_strings

ORDINARY = -1
NO_ID = -1  # Of a token whose id the vocabulary is to say.


@dataclasses.dataclass(frozen=True)
class AddedToken:
    """A token that is found in raw text, whatever the vocabulary is.

    Attributes:
        content: str, what stands in the text.
        id: int, its id.
        special: bool, whether `skip_special_tokens` leaves it out.
        single_word: bool, whether it is found only where no word character
            stands beside it.
        lstrip: bool, whether it takes the whitespace before it.
        rstrip: bool, whether it takes the whitespace after it.
        normalized: bool, whether it is looked for after the normalizer, in
            what the others left over.
    """

    content: str
    id: int
    special: bool = False
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True


class Pieces(typing.NamedTuple):
    """Which parts of a vector of characters are tokens.

    Attributes:
        starts: bool `(characters,)`, where a token or the ordinary text before
            or after one begins.
        special_ids: int32 `(characters,)`, the id of the token that a
            character belongs to, -1 in ordinary text.
    """

    starts: tf.Tensor
    special_ids: tf.Tensor


class Cut(typing.NamedTuple):
    """Texts in pieces, each a token or ordinary text.

    Attributes:
        pieces: string `(p,)`, the UTF-8 of each piece, in order. Invalid
            UTF-8 is U+FFFD.
        special_ids: int32 `(p,)`, the token's id, -1 for ordinary text.
        starts: int32 `(p,)`, the character of its text that a piece begins
            with.
        ends: int32 `(p,)`, the character after its last.
        row_splits: int64 `(b + 1,)`, the pieces of each text.
    """

    pieces: tf.Tensor
    special_ids: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    row_splits: tf.Tensor


def find_tokens(
    code_points: tf.Tensor,
    text_starts: tf.Tensor,
    tokens: Sequence[AddedToken],
    classes: CharacterClasses,
) -> Pieces:
    """Returns where tokens stand.

    Those that are not `normalized` come first, the others are looked for in
    what is left.

    Args:
        code_points: int32 `(characters,)`, all texts one after another.
        text_starts: bool `(characters,)`, where a text begins. No token
            reaches from one text into the next.
        tokens: what to look for; `check_tokens` says which cannot be.
        classes: the table of characters.
    """
    pieces = Pieces(text_starts, tf.fill(tf.shape(code_points), ORDINARY))
    is_space = None
    for chosen in _passes(tokens):
        if is_space is None and any(t.lstrip or t.rstrip for t in tokens):
            is_space = tf.equal(classes(code_points), SPACE)
        pieces = _find(code_points, pieces, chosen, is_space)
    return pieces


def cut_texts(
    texts: tf.Tensor, tokens: Sequence[AddedToken], classes: CharacterClasses
) -> Cut:
    """Cuts string `(b,)` texts into tokens and what lies between them.

    Args:
        texts: UTF-8.
        tokens, classes: as for `find_tokens`.
    """
    decoded = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
    code_points, splits = decoded.values, decoded.row_splits
    size = tf.size(code_points, tf.int64)
    found = find_tokens(code_points, marks(splits, size), tokens, classes)
    at = tf.where(found.starts)[:, 0]
    rows = tf.RaggedTensor.from_row_splits(
        code_points, tf.concat([at, size[None]], 0), validate=False
    )
    positions = tf.ragged.range(decoded.row_lengths()).values
    starts = tf.cast(tf.gather(positions, at), tf.int32)
    return Cut(
        pieces=tf.strings.unicode_encode(rows, "UTF-8"),
        special_ids=tf.gather(found.special_ids, at),
        starts=starts,
        ends=starts + tf.cast(rows.row_lengths(), tf.int32),
        row_splits=tf.searchsorted(at, splits, out_type=tf.int64),
    )


def join_pieces(cut: Cut, values: tf.RaggedTensor, of_token: tf.Tensor):
    """Puts what each piece gave back together, one row a text.

    Args:
        cut: the pieces.
        values: ragged `(o, None)`, a row for each piece of ordinary text, in
            order: ids, or starts or ends to which `cut.starts` was added.
        of_token: `(p,)`, the one value of each piece that is a token; what
            stands at ordinary text is ignored.

    Returns:
        Ragged `(b, None)`, of `values`' type.
    """
    is_token = cut.special_ids >= 0
    ordinary = tf.where(~is_token)
    lengths = tf.tensor_scatter_nd_update(
        tf.ones_like(cut.special_ids, tf.int64),
        ordinary,
        tf.cast(values.row_lengths(), tf.int64),
    )
    owners = tf.repeat(is_token, lengths)
    flat = tf.scatter_nd(
        tf.where(~owners), values.values, tf.shape(owners, tf.int64)
    )
    flat = tf.tensor_scatter_nd_update(
        flat,
        tf.where(owners),
        tf.cast(tf.boolean_mask(of_token, is_token), flat.dtype),
    )
    ends = tf.concat([[0], tf.cumsum(lengths)], 0)
    return tf.RaggedTensor.from_row_splits(
        flat, tf.gather(ends, cut.row_splits), validate=False
    )


def as_added_token(token: AddedToken | dict | str) -> AddedToken:
    """Returns the token that a constructor was given in one of three ways."""
    if isinstance(token, str):
        return AddedToken(token, NO_ID)
    if isinstance(token, dict):
        return AddedToken(**{"id": NO_ID, **token})
    return token


def with_control_tokens(
    tokens: Sequence[AddedToken],
    control_tokens: Sequence[str],
    mask_token: str | None,
) -> tuple[AddedToken, ...]:
    """Returns added tokens with those control tokens that are not among them.

    They are special, and the mask takes the whitespace before it, as
    Hugging Face's RoBERTa has them.
    """
    known = {token.content for token in tokens}
    return (
        *tokens,
        *(
            AddedToken(
                content,
                NO_ID,
                special=True,
                lstrip=content == mask_token,
                normalized=False,
            )
            for content in control_tokens
            if content not in known
        ),
    )


def with_ids(
    tokens: Sequence[AddedToken],
    vocabulary: Mapping[str, int],
    control_tokens: Sequence[str],
) -> tuple[AddedToken, ...]:
    """Returns added tokens with their ids, the vocabulary's or the next free.

    A control token that the vocabulary lacks is left without.

    Raises:
        ValueError: an id that is not the vocabulary's, or another token's.
    """
    owners = {i: token for token, i in vocabulary.items()}
    made, problems = [], []
    for token in tokens:
        i = vocabulary.get(token.content, token.id)
        if token.id not in (NO_ID, i):
            problems.append(
                f"added token {token.content!r} has id {token.id}, and {i} in "
                "the vocabulary"
            )
        if i == NO_ID and token.content not in control_tokens:
            i = max(owners, default=-1) + 1
        is_new = token.content not in vocabulary and i != NO_ID
        if is_new and owners.setdefault(i, token.content) != token.content:
            problems.append(
                f"added token {token.content!r} has id {i}, which is "
                f"{owners[i]!r}'s"
            )
        made.append(dataclasses.replace(token, id=i))
    raise_for(problems)
    return tuple(made)


def raise_for(problems: Sequence[str]) -> None:
    """Raises `ValueError` with all that is wrong with a tokenizer, if any."""
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise ValueError(f"The tokens do not make a tokenizer:{lines}")


def tokens_in_text(
    added_tokens: Sequence[AddedToken],
    control_tokens: Sequence[str],
    choice: bool | Sequence[str],
) -> tuple[AddedToken, ...]:
    """Returns which added tokens are recognised in texts.

    Users write markers of their own in texts, so those are. Control tokens
    (start, end, padding, mask, ...) only where they are asked for: nobody
    smuggles them into a request.

    Args:
        added_tokens: all of them, those that control too.
        control_tokens: str, which ones control.
        choice: `special_tokens_in_text`, of the control tokens.

    Raises:
        ValueError: a `choice` that is none of theirs.
    """
    names = list(dict.fromkeys(control_tokens))
    if isinstance(choice, bool):
        chosen = names if choice else []
    else:
        chosen = choice
    unknown = [] if isinstance(chosen, str) else set(chosen) - set(names)
    if isinstance(chosen, str) or unknown:
        raise ValueError(
            "`special_tokens_in_text` must be True, False or a list of some "
            f"of {names}. Received: {choice!r}."
        )
    return tuple(
        token
        for token in added_tokens
        if token.content in chosen or token.content not in names
    )


def check_tokens(tokens: Sequence[AddedToken]) -> list[str]:
    """Returns a sentence for each token that cannot be found exactly."""
    problems = [
        f"added token {token.content!r} (id {token.id}) is empty"
        for token in tokens
        if not token.content
    ]
    takes_space = [token.content for token in tokens if token.rstrip]
    if takes_space:
        problems += [
            f"added token {token.content!r} begins with whitespace, which "
            f"{takes_space[0]!r} (rstrip) may have taken before it"
            for token in tokens
            if token.content[:1].isspace()
        ]
    return problems


def _passes(tokens: Sequence[AddedToken]) -> list[list[AddedToken]]:
    """Returns what to look for first and what then.

    All at once where no token can take anything from another, as with
    RoBERTa's: half the graph.
    """
    passes = [
        [token for token in tokens if token.normalized == normalized]
        for normalized in (False, True)
    ]
    if not all(passes):
        return [tokens for tokens in passes if tokens]
    trie = Trie([token.content for token in tokens])
    meet = trie.may_overlap or trie.has_prefixes
    look_around = any(token.single_word or token.rstrip for token in tokens)
    blank = any(t.content != t.content.strip() for t in tokens)
    return passes if meet or look_around or blank else [list(tokens)]


def _find(code_points, pieces, tokens, is_space) -> Pieces:
    """Looks for tokens, all at once, in the ordinary text of `pieces`."""
    size = tf.size(code_points, tf.int64)
    edges = tf.concat([pieces.starts, [True]], 0)
    trie = Trie([token.content for token in tokens])
    starts, ends, which = find_strings(code_points, edges, trie)
    # A piece that is a token already cannot hold another.
    barred = pieces.special_ids >= 0
    kept = ~tf.gather(barred, starts)
    if any(token.single_word for token in tokens):
        flags = tf.constant([t.single_word for t in tokens])
        kept &= ~tf.gather(flags, which) | _stands_alone(
            code_points, edges, starts, ends
        )
    starts, ends, which = (
        tf.boolean_mask(x, kept) for x in (starts, ends, which)
    )
    if any(token.rstrip for token in tokens):
        flags = tf.constant([t.rstrip for t in tokens])
        taken = _space_end(ends, is_space, edges)
        ends = tf.where(tf.gather(flags, which), taken, ends)
    walls = pieces.starts | marks(ends, size)
    if any(token.lstrip for token in tokens):
        flags = tf.constant([t.lstrip for t in tokens])
        taken = _space_start(starts, is_space, walls)
        starts = tf.where(tf.gather(flags, which), taken, starts)
    ids = tf.gather(tf.constant([t.id for t in tokens]), which)
    painted = _painted(starts, ends, ids, size)
    return Pieces(
        starts=walls | marks(starts, size),
        special_ids=tf.where(barred, pieces.special_ids, painted),
    )


def _stands_alone(code_points, edges, starts, ends) -> tf.Tensor:
    """Returns whether no word character is beside each span in its piece."""
    # One more character before all and after all, which are no words.
    is_word = tf.pad(word_characters()(code_points), [[1, 1]]) > 0
    before = tf.gather(edges, starts) | ~tf.gather(is_word, starts)
    after = tf.gather(edges, ends) | ~tf.gather(is_word, ends + 1)
    return before & after


def _space_end(ends, is_space, edges) -> tf.Tensor:
    """Moves each end right over the spaces after it, not past an edge."""
    # `edges` has one more position, that of the texts' end.
    stops = tf.concat([~is_space, [True]], 0) | edges
    stops_at = tf.where(stops)[:, 0]
    # The first stop at or behind each end, itself where a piece ends.
    return tf.gather(stops_at, tf.searchsorted(stops_at, ends))


def _space_start(
    starts: tf.Tensor, is_space: tf.Tensor, walls: tf.Tensor
) -> tf.Tensor:
    """Moves each start left over the spaces before it, not past a wall."""
    run_starts = is_space & (walls | ~shifted_right(is_space, False))
    run_of = tf.cumsum(tf.cast(run_starts, tf.int32))
    # Run 0 is a stand-in, so that a text without any space has one to gather.
    run_positions = tf.concat(
        [tf.zeros([1], tf.int64), tf.where(run_starts)[:, 0]], 0
    )
    before = tf.maximum(starts - 1, 0)
    follows_space = (
        (starts > 0) & tf.gather(is_space, before) & ~tf.gather(walls, starts)
    )
    run_start = tf.gather(run_positions, tf.gather(run_of, before))
    return tf.where(follows_space, run_start, starts)


def _painted(
    starts: tf.Tensor, ends: tf.Tensor, ids: tf.Tensor, size: tf.Tensor
) -> tf.Tensor:
    """Returns int32 `(size,)`: `ids[i]` from `starts[i]` to `ends[i]`, else -1.

    The spans do not overlap: what each adds where it starts it takes away
    where it ends, and a cumulative sum paints what lies between.
    """
    edges = tf.concat([starts, ends], 0)
    steps = tf.concat([ids + 1, -ids - 1], 0)
    steps = tf.scatter_nd(edges[:, None], steps, size[None] + 1)
    return tf.cumsum(steps)[:-1] - 1
