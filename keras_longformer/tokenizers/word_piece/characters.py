"""What BERT's normalizer makes of each character, as data.

Control characters go, whitespace becomes a blank, Chinese characters get
blanks around them, accents are decomposed (NFD) and nonspacing marks dropped,
letters are lower-cased: each on request, in this order, and almost all of it
one character at a time. So one table, made once, holds what comes out for
every code point.

The tables are data, written by `scripts/build/bert_characters.py`, because
they must not change with the Python or ICU version at hand.
"""

import functools
import importlib.resources
import json
import sys
import typing
from dataclasses import dataclass

import numpy as np

SIZE = sys.maxunicode + 1
DROPPED = -1
BLANK = ord(" ")
HANGUL = range(0xAC00, 0xD7A4)
NOTHING = (), ()  # No members, no orders.


@dataclass(frozen=True)
class Normalization:
    """What is done to a text before it is split into words.

    Attributes:
        clean_text: drops control characters, NUL and U+FFFD.
        handle_chinese_chars: makes each Chinese character a word.
        strip_accents: decomposes characters and drops nonspacing marks.
        lowercase: lower-cases, each character by itself.
    """

    clean_text: bool = True
    handle_chinese_chars: bool = True
    strip_accents: bool = True
    lowercase: bool = True


class Outputs(typing.NamedTuple):
    """What comes out for every code point.

    Attributes:
        single: int32 `(SIZE,)`, the one code point that comes out, or
            `-1 - i` where `sequences[i]` does.
        sequences: tuples of code points, `DROPPED` for a mark that is
            dropped, none for a character that is no longer there when
            characters are decomposed.
        orders: the canonical combining class of each member of `sequences`,
            by which a run of marks is sorted before marks are dropped. 0
            stays where it is, as everything in `single` does.
    """

    single: np.ndarray
    sequences: list[tuple[int, ...]]
    orders: list[tuple[int, ...]]


def normalized(
    normalization: Normalization, *, with_blanks: bool = False
) -> Outputs:
    """Returns what `normalization` makes of every code point.

    Args:
        normalization: what to do.
        with_blanks: whether a Chinese character comes out with the blanks
            around it, or alone, since it is known to be a word by itself.
    """
    tables = _tables()
    steps = normalization
    lower = tables["lower"] if steps.lowercase else {}
    single = np.arange(SIZE, dtype=np.int32)
    for code_point, parts in lower.items():
        single[code_point] = parts[0]
    special = {c: parts for c, parts in lower.items() if len(parts) > 1}
    special_orders = {}
    if steps.strip_accents:
        decomposed = tables["decomposed"]
        for c in {*decomposed, *tables["marks"], *tables["combining_classes"]}:
            parts, orders = _stripped(decomposed.get(c, (c,)), lower)
            kept = [part for part in parts if part != DROPPED]
            if len(kept) == 1 and not any(
                order
                for part, order in zip(parts, orders, strict=True)
                if part != DROPPED
            ):
                # Marks that are dropped move nothing else by being sorted.
                single[c] = kept[0]
                special.pop(c, None)
            else:
                special[c], special_orders[c] = parts, orders
    if with_blanks and steps.handle_chinese_chars:
        for c in tables["chinese"]:
            special[c] = (BLANK, int(single[c]), BLANK)
    numbers, sequences, orders = {NOTHING: 0}, [()], [()]
    for c, parts in special.items():
        key = parts, special_orders.get(c, (0,) * len(parts))
        if key not in numbers:
            numbers[key] = len(sequences)
            sequences.append(key[0])
            orders.append(key[1])
        single[c] = -1 - numbers[key]
    if steps.clean_text:
        single[tables["whitespace"]] = BLANK
        single[tables["control"]] = -1 - numbers[NOTHING]
    return Outputs(single, sequences, orders)


def normalized_text(outputs: Outputs, text: str) -> str:
    """Returns what comes out for a text, as the graph would have it."""
    run, kept = [], []
    for character in text:
        c = int(outputs.single[ord(character)])
        members = [(c, 0)]
        if c < 0:
            parts = outputs.sequences[-1 - c]
            members = zip(parts, outputs.orders[-1 - c], strict=True)
        for part, order in members:
            if order == 0:
                kept += sorted(run, key=lambda member: member[1])
                run = []
            run.append((part, order))
    kept += sorted(run, key=lambda member: member[1])
    return "".join(chr(part) for part, _ in kept if part != DROPPED)


def is_whitespace() -> np.ndarray:
    """Returns bool `(SIZE,)`, which code points stand between words."""
    return _mask("whitespace")


def is_word_alone(handle_chinese_chars: bool) -> np.ndarray:
    """Returns bool `(SIZE,)`, which code points are words by themselves."""
    mask = _mask("punctuation")
    return mask | _mask("chinese") if handle_chinese_chars else mask


def _stripped(parts, lower):
    """Returns decomposed characters without marks, and their classes."""
    tables = _tables()
    kept, orders = [], []
    for part in parts:
        order = tables["combining_classes"].get(part, 0)
        is_mark = part in tables["marks"]
        outputs = (DROPPED,) if is_mark else lower.get(part, (part,))
        kept.extend(outputs)
        orders.extend([order] * len(outputs))
    return tuple(kept), tuple(orders)


@functools.cache
def _tables() -> dict:
    source = importlib.resources.files(__package__) / "bert_characters.json"
    raw = json.loads(source.read_text(encoding="utf-8"))
    decomposed = {first: tuple(parts) for first, *parts in raw["decomposed"]}
    for i, c in enumerate(HANGUL):
        tail = (0x11A7 + i % 28,) * (i % 28 > 0)
        decomposed[c] = (0x1100 + i // 588, 0x1161 + i % 588 // 28, *tail)
    return {
        "decomposed": decomposed,
        "lower": {first: tuple(parts) for first, *parts in raw["lower"]},
        "combining_classes": {
            c: order
            for order, ranges in raw["combining_classes"]
            for c in _members(ranges)
        },
        "marks": frozenset(_members(raw["marks"])),
        "control": _members(raw["control"]),
        "whitespace": _members(raw["whitespace"]),
        "chinese": _members(raw["chinese"]),
        "punctuation": _members(raw["punctuation"]),
    }


def _mask(name: str) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[_tables()[name]] = True
    return mask


def _members(ranges: list[list[int]]) -> list[int]:
    return [c for first, last in ranges for c in range(first, last + 1)]
