"""Reads `precompiled_charsmap`, what SentencePiece makes of each character.

SentencePiece normalizes a text by a map from character sequences to character
sequences, `"ﬁ"` to `"fi"`, of which the longest that fits counts. A model file
and a `tokenizer.json` hold it as a double array, a trie in two vectors, laid
out as the `darts-clone` library does it:

    size of the trie in bytes, uint32
    the trie's nodes, uint32 each
    what the sequences become, each ended by a zero byte
"""

import sys

import numpy as np

HAS_LEAF = 1 << 8
VALUE_BITS = 0x7FFFFFFF
LABEL_BITS = 1 << 31 | 0xFF
LONGEST_CHARACTER = 4  # bytes in UTF-8
LONGEST_SEQUENCE = 256  # bytes; SentencePiece's own maps have at most 40
MOST_SEQUENCES = 1_000_000  # of one length; theirs have some thousand


class Charsmap:
    """What becomes of sequences of characters.

    Args:
        blob: bytes, `precompiled_charsmap`; empty for a map that is.

    Raises:
        ValueError: it is none.
    """

    def __init__(self, blob: bytes):
        self._nodes, self._results = np.zeros(1, "<u4"), b""
        if not blob:
            return
        size = int.from_bytes(blob[:4], "little")
        if len(blob) < 4 or size % 4 or not 4 <= size <= len(blob) - 4:
            raise ValueError(
                "`precompiled_charsmap` is not SentencePiece's: of its "
                f"{len(blob)} bytes the trie is said to have {size}."
            )
        self._nodes = np.frombuffer(blob, "<u4", size // 4, offset=4)
        self._results = blob[4 + size :]
        self._check()

    def _check(self):
        """SentencePiece's library follows a trie wherever it leads."""
        count = len(self._nodes)
        places = np.arange(count)
        is_value = self._nodes >> 31 != 0
        below = places ^ _offset(self._nodes)
        # All that a byte can lead to, which is a block of 256.
        inside = is_value | (below | 0xFF < count)
        leaf = np.nonzero(~is_value & (self._nodes & HAS_LEAF != 0) & inside)[0]
        values = self._nodes[below[leaf]] & VALUE_BITS
        is_ended = self._results.endswith(b"\0")
        if (
            is_value[0]  # The root, whose children all begin with.
            or not inside.all()
            or (values >= len(self._results)).any()
            or (len(values) and not is_ended)
        ):
            raise ValueError(
                "`precompiled_charsmap` is not SentencePiece's: its trie leads "
                "out of it."
            )

    def get(self, source: str) -> str | None:
        """Returns what exactly this sequence becomes, `None` where it is not
        in the map."""
        place = int(_offset(self._nodes[:1])[0])
        unit = self._nodes[0]
        for byte in source.encode("utf-8"):
            place ^= byte
            if place >= len(self._nodes):
                return None
            unit = self._nodes[place]
            if unit & LABEL_BITS != byte:
                return None
            place ^= int(_offset(self._nodes[place : place + 1])[0])
        if not unit & HAS_LEAF:
            return None
        start = int(self._nodes[place]) & VALUE_BITS
        end = self._results.index(b"\0", start)
        return self._results[start:end].decode("utf-8")

    def expanding_characters(self) -> np.ndarray:
        """Returns bool `(sys.maxunicode + 1,)`, the characters with which a
        sequence begins that becomes more than one character."""
        data = np.frombuffer(self._results, np.uint8)
        begins = np.cumsum(np.pad(data & 0xC0 != 0x80, (1, 0)))
        zeros = np.nonzero(data == 0)[0]
        expanding = np.zeros(sys.maxunicode + 1, bool)
        for heads, values in self._levels():
            ends = zeros[np.searchsorted(zeros, values)]
            longer = begins[ends] - begins[values] > 1
            for head in np.unique(heads[longer]):
                expanding[_first_character(head)] = True
        return expanding

    def _levels(self):
        """Yields, for each length of a sequence in bytes, the first bytes of
        those in the map, packed into one int, and where their results begin.
        """
        # A node lies at its parent's place XOR its label.
        labels = (self._nodes & LABEL_BITS).astype(np.int64)
        nodes = np.nonzero((labels > 0) & (labels < 256))[0]
        parents = nodes ^ labels[nodes]
        order = np.argsort(parents, kind="stable")
        nodes, parents = nodes[order], parents[order]
        places, heads = _offset(self._nodes[:1]), np.zeros(1, np.int64)
        depth = 0
        while len(places):
            first = np.searchsorted(parents, places)
            counts = np.searchsorted(parents, places, side="right") - first
            if depth > LONGEST_SEQUENCE or counts.sum() > MOST_SEQUENCES:
                raise ValueError(
                    "`precompiled_charsmap` is not SentencePiece's: its trie "
                    "leads back into itself."
                )
            within = np.arange(counts.sum()) - np.repeat(
                np.cumsum(counts) - counts, counts
            )
            found = nodes[np.repeat(first, counts) + within]
            units = self._nodes[found]
            places = found ^ _offset(units)
            heads = np.repeat(heads, counts)
            if depth < LONGEST_CHARACTER:
                heads |= labels[found] << 8 * depth
            depth += 1
            is_leaf = units & HAS_LEAF != 0
            values = self._nodes[places[is_leaf]] & VALUE_BITS
            yield heads[is_leaf], values


def _offset(units: np.ndarray) -> np.ndarray:
    units = units.astype(np.int64)
    return (units >> 10) << ((units & (1 << 9)) >> 6)


def _first_character(head: int) -> int:
    """Returns the code point that up to four packed bytes begin with."""
    data = int(head).to_bytes(LONGEST_CHARACTER, "little")
    return ord(data.decode("utf-8", "ignore")[0])
