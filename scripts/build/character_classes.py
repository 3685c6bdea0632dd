"""Writes the frozen character classes that words are cut by.

RoBERTa's split pattern knows letters (`\\p{L}`), numbers (`\\p{N}`), whitespace
(`\\s`) and everything else. An added token that is a `single_word` looks for
`\\w` beside it. Which code point is which depends on the Unicode
version inside the `tokenizers` package, and Python's `unicodedata` differs at
thousands of code points, so the classes are read out of `tokenizers` itself.

Command:
    python scripts/build/character_classes.py [--output PATH]

Time and memory: about half a minute, 100 MB. Needs `pip install tokenizers`.

Expected result, with tokenizers 0.22.2: 677 ranges of letters, 144 of numbers,
10 of whitespace, 796 of word characters, and the file in the package unchanged.
"""

import argparse
import json
import pathlib
import sys

DEFAULT_OUTPUT = (
    pathlib.Path(__file__).resolve().parents[2]
    / "keras_longformer/tokenizers/character_classes.json"
)
SURROGATES = range(0xD800, 0xE000)  # No characters; UTF-8 cannot hold them.
# A character belongs to the class whose characters it stays together with.
NEIGHBOURS = {"letter": "a", "number": "1", "other": "!"}


def character_class(splitter, code_point: int) -> str:
    """Returns the class of one code point, by how `splitter` cuts around it."""
    character = chr(code_point)
    for name, neighbour in NEIGHBOURS.items():
        text = neighbour + character + neighbour
        if len(splitter.pre_tokenize_str(text)) == 1:
            return name
    return "space"


def word_characters(tokenizers) -> list[bool]:
    """Returns of each code point whether it is part of a word."""
    token = tokenizers.AddedToken("xyz", single_word=True)
    model = tokenizers.models.BPE({c: i for i, c in enumerate("xyz")}, [])
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.add_tokens([token])
    token_id = tokenizer.token_to_id("xyz")
    return [
        c not in SURROGATES
        and token_id not in tokenizer.encode(chr(c) + "xyz").ids
        for c in range(sys.maxunicode + 1)
    ]


def class_ranges(classes: list[str], name: str) -> list[list[int]]:
    """Returns the inclusive `[first, last]` runs of `name` in `classes`."""
    ranges = []
    for code_point, found in enumerate(classes):
        if found != name:
            continue
        if ranges and ranges[-1][1] == code_point - 1:
            ranges[-1][1] = code_point
        else:
            ranges.append([code_point, code_point])
    return ranges


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

    splitter = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    classes = [
        "other" if c in SURROGATES else character_class(splitter, c)
        for c in range(sys.maxunicode + 1)
    ]
    ranges = {
        n: class_ranges(classes, n) for n in ("letter", "number", "space")
    }
    words = [
        "word" if is_word else "" for is_word in word_characters(tokenizers)
    ]
    ranges["word"] = class_ranges(words, "word")
    ranges["made_by"] = f"tokenizers {tokenizers.__version__}, ByteLevel"
    arguments.output.write_text(
        json.dumps(ranges, separators=(",", ":")) + "\n", encoding="utf-8"
    )
    for name in ("letter", "number", "space", "word"):
        print(f"{len(ranges[name]):4} ranges of class {name}")
    print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
