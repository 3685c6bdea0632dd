"""All pieces of a vocabulary in one trie, as arrays that a graph can walk.

A double array (Aoe, 1989): a node's number is its place in the arrays, and its
child by symbol `s` lies at `bases[node] + s`, if `parents` of that place says
so. One step down is two gathers and a comparison:

    symbols           a 2, b 3, c 4
    pieces            "ab", "ac", "##b"
    place             0    1    2  3  4  5  6  7
    node              word rest       a  b  c  ##b
    bases             2    4          3
    parents                           0  4  4  1       others -1

A node also knows the longest piece that ends at it or above it: where a walk
ends, that is the longest piece that the walk has met.
"""

import typing
from collections.abc import Mapping

import numpy as np

# The roots: of a word's first piece, and of the pieces after it.
WORD, REST = 0, 1
NO_PARENT = -1


class Trie(typing.NamedTuple):
    """The arrays, all int32.

    Attributes:
        bases: `(nodes,)`, a node's children lie at its base plus symbol.
        parents: `(places,)`, the node whose child lies there; more places
            than nodes, so that every base plus every symbol is one.
        piece_ids: `(nodes,)`, the id of the longest piece on the way to a
            node.
        piece_sizes: `(nodes,)`, its number of characters, 0 if there is none.
    """

    bases: np.ndarray
    parents: np.ndarray
    piece_ids: np.ndarray
    piece_sizes: np.ndarray


def build_trie(
    first_pieces: Mapping[tuple[int, ...], int],
    other_pieces: Mapping[tuple[int, ...], int],
    num_symbols: int,
) -> Trie:
    """Returns the trie of pieces.

    Args:
        first_pieces: the ids of pieces that words begin with, by symbols.
        other_pieces: the same of those that follow, without their `##`.
        num_symbols: one more than the largest symbol.
    """
    children, ids, sizes = [{}, {}], [0, 0], [0, 0]
    for root, pieces in ((WORD, first_pieces), (REST, other_pieces)):
        # Short ones first, so that a child is made after its parent's piece
        # is known.
        for piece in sorted(pieces, key=len):
            node = root
            for symbol in piece:
                child = children[node].setdefault(symbol, len(children))
                if child == len(children):
                    children.append({})
                    ids.append(ids[node])
                    sizes.append(sizes[node])
                node = child
            ids[node], sizes[node] = pieces[piece], len(piece)
    places, bases = _placed(children)
    size = max(places) + 1
    trie = Trie(
        bases=np.zeros(size, np.int32),
        parents=np.full(
            max(size, max(bases) + num_symbols), NO_PARENT, np.int32
        ),
        piece_ids=np.zeros(size, np.int32),
        piece_sizes=np.zeros(size, np.int32),
    )
    trie.bases[places] = bases
    trie.piece_ids[places] = ids
    trie.piece_sizes[places] = sizes
    for node, symbols in enumerate(children):
        for symbol in symbols:
            trie.parents[bases[node] + symbol] = places[node]
    return trie


def _placed(children: list[dict[int, int]]) -> tuple[list[int], list[int]]:
    """Returns the place and the base of every node.

    The nodes with most children are placed first, each after the one before;
    the many with one child fill the holes that are left.
    """
    places, bases = [0] * len(children), [0] * len(children)
    places[REST] = REST
    families = [sorted(symbols) for symbols in children]
    parents = [node for node, family in enumerate(families) if family]
    parents.sort(key=lambda node: (-len(families[node]), families[node][0]))
    largest = max((families[node][-1] for node in parents), default=0)
    taken = bytearray(b"\1\1")
    begin = 2
    size = None
    for node in parents:
        family = families[node]
        if len(family) == 1 and size != 1:
            begin = 2
        first, size = family[0], len(family)
        place = max(begin, first)
        while True:
            hole = taken.find(0, place)
            place = max(place, len(taken)) if hole < 0 else hole
            base = place - first
            if len(taken) <= base + largest:
                taken.extend(bytes(len(taken) + largest + 1))
            if not any(taken[base + symbol] for symbol in family):
                break
            place += 1
        begin = place
        bases[node] = base
        for symbol in family:
            taken[base + symbol] = 1
            places[children[node][symbol]] = base + symbol
    return places, bases
