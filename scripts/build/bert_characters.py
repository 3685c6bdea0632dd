"""Writes the frozen character tables of BERT's normalizer and word splitter.

BERT's tokenizer drops control characters, turns whitespace into blanks, sets
Chinese characters apart, decomposes (NFD) and drops nonspacing marks,
lower-cases, and splits at whitespace and punctuation. What is which depends on
the Unicode versions inside the `tokenizers` package, several at once, and
Python's `unicodedata` differs at hundreds of code points, so everything is read
out of `tokenizers` itself, one code point at a time.

Command:
    python scripts/build/bert_characters.py [--output PATH]

Time and memory: about a minute, 400 MB. Needs `pip install tokenizers`.

Expected result, with tokenizers 0.22.2: the numbers that it prints of control
characters (137,681), whitespace (25), Chinese characters (81,264),
punctuation (726), nonspacing marks (1,549), decompositions (2,060 without
Hangul's), combining classes above 0 (810) and lower-cased characters (1,488),
and the file in the package unchanged.
"""

import argparse
import json
import pathlib
import sys
import unicodedata

DEFAULT_OUTPUT = (
    pathlib.Path(__file__).resolve().parents[2]
    / "keras_longformer/tokenizers/word_piece/bert_characters.json"
)
SURROGATES = range(0xD800, 0xE000)  # No characters; UTF-8 cannot hold them.
CODE_POINTS = [c for c in range(sys.maxunicode + 1) if c not in SURROGATES]
HANGUL = range(0xAC00, 0xD7A4)  # Decomposed by arithmetic.
OPTIONS = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")


def normalizer(option: str):
    """Returns BERT's normalizer with one of its options alone."""
    from tokenizers import normalizers

    return normalizers.BertNormalizer(**{o: o == option for o in OPTIONS})


def cleaned() -> tuple[list[int], list[int]]:
    """Returns what `clean_text` drops, and what it makes a blank."""
    clean = normalizer("clean_text")
    results = {c: clean.normalize_str(chr(c)) for c in CODE_POINTS}
    dropped = [c for c, found in results.items() if not found]
    blanks = [c for c, found in results.items() if found == " "]
    changed = {c for c, found in results.items() if found != chr(c)}
    assert changed == {*dropped, *blanks} - {32}
    return dropped, blanks


def set_apart() -> list[int]:
    """Returns the characters that get blanks around them."""
    chinese = normalizer("handle_chinese_chars")
    results = {c: chinese.normalize_str(chr(c)) for c in CODE_POINTS}
    changed = [c for c, found in results.items() if found != chr(c)]
    assert all(results[c] == f" {chr(c)} " for c in changed)
    return changed


def split() -> tuple[list[int], list[int]]:
    """Returns what words are split at: whitespace and punctuation."""
    from tokenizers import pre_tokenizers

    splitter = pre_tokenizers.BertPreTokenizer()
    whitespace, punctuation = [], []
    for c in CODE_POINTS:
        text = f"a{chr(c)}b"
        words = [word for word, _ in splitter.pre_tokenize_str(text)]
        if words == ["a", "b"]:
            whitespace.append(c)
        elif words == ["a", chr(c), "b"]:
            punctuation.append(c)
        else:
            assert words == [text]
    return whitespace, punctuation


def decompositions() -> dict[int, list[int]]:
    """Returns what NFD makes of characters, Hangul syllables left out."""
    from tokenizers import normalizers

    nfd = normalizers.NFD()
    results = {c: [*map(ord, nfd.normalize_str(chr(c)))] for c in CODE_POINTS}
    for i, c in enumerate(HANGUL):
        tail = [0x11A7 + i % 28] * (i % 28 > 0)
        jamo = [0x1100 + i // 588, 0x1161 + i % 588 // 28, *tail]
        assert results.pop(c) == jamo
    return {c: found for c, found in results.items() if found != [c]}


def stripped_marks(decomposed: dict[int, list[int]]) -> list[int]:
    """Returns the characters that `strip_accents` drops."""
    strip = normalizer("strip_accents")
    single = [c for c in CODE_POINTS if c not in decomposed]
    marks = {c for c in single if not strip.normalize_str(chr(c))}
    for c, parts in decomposed.items():
        kept = "".join(chr(part) for part in parts if part not in marks)
        assert strip.normalize_str(chr(c)) == kept
    return sorted(marks)


def combining_classes(decomposed: dict[int, list[int]]) -> dict[int, int]:
    """Returns each canonical combining class that is not 0.

    It is found by what NFD sorts a character before and behind: all classes
    are tried, each by a character that `tokenizers` has in it, too.
    """
    from tokenizers import normalizers

    nfd = normalizers.NFD()

    def is_swapped(text):
        return nfd.normalize_str(text) != text

    lowest, highest = "\u0334", "\u0345"  # Of class 1 and 240.
    samples = {}
    for c in CODE_POINTS:
        found, text = unicodedata.combining(chr(c)), chr(c)
        known = is_swapped(text + lowest) or is_swapped(highest + text)
        if found and known and c not in decomposed:
            samples.setdefault(found, text)
    ladder = [samples[found] for found in sorted(samples)]
    assert all(is_swapped(b + a) for a, b in zip(ladder, ladder[1:]))
    classes = {}
    for c in CODE_POINTS:
        text = chr(c)
        if c in decomposed or c in HANGUL:
            continue
        above = is_swapped(text + lowest)
        below = is_swapped(highest + text)
        if not (above or below):
            continue  # A class of 0 is never swapped.
        smaller = [f for f, s in samples.items() if is_swapped(text + s)]
        larger = [f for f, s in samples.items() if is_swapped(s + text)]
        (classes[c],) = set(samples) - {*smaller, *larger}
    return classes


def lower_cased() -> dict[int, list[int]]:
    """Returns what characters change to in lower case."""
    lower = normalizer("lowercase")
    results = {c: [*map(ord, lower.normalize_str(chr(c)))] for c in CODE_POINTS}
    assert lower.normalize_str("ΑΣ") == "ασ"  # No final sigma.
    return {c: found for c, found in results.items() if found != [c]}


def ranges(code_points: list[int]) -> list[list[int]]:
    """Returns ascending code points as inclusive `[first, last]` runs."""
    found = []
    for c in code_points:
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=pathlib.Path, default=DEFAULT_OUTPUT)
    arguments = parser.parse_args()
    try:
        import tokenizers
    except ImportError:
        sys.exit("This script needs `pip install tokenizers`.")

    control, blanks = cleaned()
    whitespace, punctuation = split()
    # Whitespace that is a control character, such as U+0085, is dropped.
    assert set(blanks) == set(whitespace) - set(control)
    decomposed = decompositions()
    marks = stripped_marks(decomposed)
    classes = combining_classes(decomposed)
    lower = lower_cased()
    chinese = set_apart()
    tables = {
        "made_by": f"tokenizers {tokenizers.__version__}",
        "control": ranges(control),
        "whitespace": ranges(whitespace),
        "chinese": ranges(chinese),
        "punctuation": ranges(punctuation),
        "marks": ranges(marks),
        # Rows of a code point and what it becomes.
        "decomposed": [[c, *parts] for c, parts in decomposed.items()],
        "lower": [[c, *parts] for c, parts in lower.items()],
        # Rows of a class and its code points.
        "combining_classes": [
            [value, ranges([c for c in classes if classes[c] == value])]
            for value in sorted(set(classes.values()))
        ],
    }
    arguments.output.write_text(
        json.dumps(tables, separators=(",", ":")) + "\n", encoding="utf-8"
    )
    counts = {
        "control characters": control,
        "whitespace": whitespace,
        "Chinese characters": chinese,
        "punctuation": punctuation,
        "nonspacing marks": marks,
        "decompositions": decomposed,
        "combining classes above 0": classes,
        "lower-cased characters": lower,
    }
    for name, found in counts.items():
        print(f"{len(found):7,} {name}")
    print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
