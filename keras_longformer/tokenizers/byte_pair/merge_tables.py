"""Turns merge rules into arrays that a graph can look pairs up in.

A pair of tokens is looked up with three gathers and no hash table (row
displacement: Tarjan and Yao, 1979). Think of the pairs as a sparse matrix,
one row for each left token. All rows are laid over one another in a single
vector, each moved right by its own displacement so that no two entries meet:

    row of "a":   . 3 . 7          displacement 0
    row of "b":     1 . 5          displacement 2, moved past the "7"
    rules:        . 3 1 7 5

`rules[displacements[left] + right]` is the one rule that can apply, and it
does if its own left token is `left`.
"""

import itertools
import typing

import numpy as np

from keras_longformer.tokenizers.byte_pair.vocabulary import byte_alphabet

NUM_BYTES = 256


class MergeTables(typing.NamedTuple):
    """Merge rules over internal token numbers: bytes first, then results.

    Attributes:
        displacements: int32 `(tokens,)`, each left token's place in `rules`.
        rules: int32, the rank of the rule that may apply there, or the number
            of rules where none does.
        lefts: int32 `(rules + 1,)`, each rule's left token; -1 for no rule.
        results: int32 `(rules + 1,)`, the token that a rule makes.
        token_ids: int32 `(tokens,)`, the vocabulary's id of each token; the
            unknown token's for a byte that the vocabulary does not have.
        longest: the most bytes that a token stands for.
        in_order: whether every rule comes after all rules that make its
            parts, as in every trained vocabulary. Then a merge never makes
            room for a rule of lower rank, and all occurrences of a word's
            best pair may be merged at once.
    """

    displacements: np.ndarray
    rules: np.ndarray
    lefts: np.ndarray
    results: np.ndarray
    token_ids: np.ndarray
    longest: int
    in_order: bool


def build_merge_tables(
    merges: list[tuple[str, str]], token_ids: dict[str, int], unknown_id: int
) -> MergeTables:
    """Returns the tables of `merges`, in order of rank.

    Where a pair stands twice, the last rank counts, as in `tokenizers`.
    """
    numbers = dict(sorted(byte_alphabet().items(), key=lambda item: item[1]))
    for left, right in merges:
        numbers.setdefault(left + right, len(numbers))
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    kept = sorted(ranks, key=ranks.get)
    lefts = np.array([numbers[left] for left, _ in kept], np.int32)
    rights = np.array([numbers[right] for _, right in kept], np.int32)
    results = np.array(
        [numbers[left + right] for left, right in kept], np.int32
    )

    in_order = _is_in_order(lefts, rights, results, len(numbers))
    displacements, rules = row_displacement(lefts, rights, len(numbers))
    ids = [token_ids.get(token, unknown_id) for token in numbers]
    return MergeTables(
        displacements=displacements,
        rules=rules,
        lefts=np.append(lefts, np.int32(-1)),
        results=np.append(results, np.int32(0)),
        token_ids=np.array(ids, np.int32),
        longest=max(map(len, numbers)),
        in_order=in_order,
    )


def _is_in_order(
    lefts: np.ndarray, rights: np.ndarray, results: np.ndarray, size: int
) -> bool:
    ranks = np.arange(len(results))
    last_made = np.full(size, -1)
    np.maximum.at(last_made, results, ranks)
    return bool(
        np.all(last_made[lefts] < ranks) and np.all(last_made[rights] < ranks)
    )


def row_displacement(
    lefts: np.ndarray, rights: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns displacements and the vector that the rows are laid into.

    The longest rows are placed first, each at the first place where it fits;
    rows of one entry fill the holes that are left.

    Args:
        lefts: int `(rules,)`, the row of each rule.
        rights: int `(rules,)`, the column of each rule.
        size: the number of tokens.
    """
    order = np.argsort(lefts, kind="stable")
    columns = rights[order]
    rows, begins, lengths = np.unique(
        lefts[order], return_index=True, return_counts=True
    )
    displacements = np.zeros(size, np.int32)
    taken = np.zeros(0, bool)
    for i in np.argsort(-lengths, kind="stable"):
        if lengths[i] == 1:
            break
        row = columns[begins[i] : begins[i] + lengths[i]]
        place, taken = _first_fit(taken, row)
        displacements[rows[i]] = place
        taken[place + row] = True

    single = lengths == 1
    taken = _extended(taken, size + len(taken) + single.sum())
    # A hole left of every column would need a negative displacement.
    holes = np.flatnonzero(~taken[size:])[: single.sum()] + size
    displacements[rows[single]] = holes - columns[begins[single]]

    rules = np.full(int(displacements.max(initial=0)) + size, len(lefts))
    rules[displacements[lefts] + rights] = np.arange(len(lefts))
    return displacements, rules.astype(np.int32)


def _first_fit(
    taken: np.ndarray, row: np.ndarray, width: int = 4096
) -> tuple[int, np.ndarray]:
    """Returns the first displacement at which no entry of `row` is taken,
    and `taken`, extended if that is needed to hold the row there."""
    for begin in itertools.count(step=width):
        taken = _extended(taken, begin + int(row.max()) + width)
        blocked = np.zeros(width, bool)
        for column in row:
            blocked |= taken[begin + column : begin + column + width]
        free = np.flatnonzero(~blocked)
        if len(free):
            return begin + int(free[0]), taken


def _extended(taken: np.ndarray, size: int) -> np.ndarray:
    if size <= len(taken):
        return taken
    return np.append(taken, np.zeros(2 * size - len(taken), bool))
