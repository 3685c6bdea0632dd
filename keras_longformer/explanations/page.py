"""A text whose words are shaded by the attention they get, as a web page."""

import html
import os
from collections.abc import Sequence

import numpy as np

from keras_longformer.explanations.reading import Word
from keras_longformer.unfinished import write_text

# The shade of the word with the largest share, and of less: not linear, or
# one word would be all that is seen.
POWER = 0.5
TOP = 10  # Words listed above the text.

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What the model looked at</title>
<style>
body {{ font: 16px/1.9 system-ui, sans-serif; max-width: 46em; margin: 2em auto;
  padding: 0 1em; color: #1a1a1a; background: #fff; }}
span {{ padding: 0.15em 0.1em; border-radius: 0.2em; }}
.global {{ outline: 2px solid #c05640; }}
.special {{ color: #8c8c8c; font-size: 0.8em; }}
table {{ border-collapse: collapse; line-height: 1.4; margin-bottom: 1.5em; }}
td, th {{ padding: 0.1em 1em 0.1em 0; text-align: left; font-weight: normal; }}
th {{ color: #8c8c8c; }}
p.about {{ color: #555; font-size: 0.9em; line-height: 1.5; }}
</style>
</head>
<body>
<h1>What the model looked at</h1>
<p class="about">The darker a word, the more attention it gets; framed: global
tokens; grey: special tokens. {about}</p>
<table>
<tr><th>word</th><th>token</th><th>share</th></tr>
{rows}
</table>
<p>{words}</p>
</body>
</html>
"""


def word_shares(words: Sequence[Word], shares: np.ndarray) -> np.ndarray:
    """Returns float `(words,)`, the sums of the shares of their tokens."""
    return np.array([shares[w.first : w.last].sum() for w in words])


def shades(words: Sequence[Word], shares: np.ndarray) -> np.ndarray:
    """Returns float `(words,)` in [0, 1], how dark each is; special tokens,
    which get much whatever the text, are left white."""
    is_word = np.array([not word.is_special for word in words], bool)
    most = shares[is_word].max(initial=0)
    shade = np.where(is_word, shares, 0) / (most or 1)
    return shade**POWER


def is_global(words: Sequence[Word], positions: np.ndarray) -> list[bool]:
    """Returns for each word whether one of its tokens is global."""
    of = {int(position) for position in positions}
    return [not of.isdisjoint(range(w.first, w.last)) for w in words]


def write(
    words: Sequence[Word],
    shares: np.ndarray,
    positions: np.ndarray,
    path: str | os.PathLike,
) -> None:
    """Writes the page, whole or not at all; it needs no other file.

    Args:
        words: the text's.
        shares: float `(words,)`.
        positions: int `(g,)`, the global tokens.
        path: str, the file.
    """
    framed = is_global(words, positions)
    spans = [
        _span(word, share, shade, frame)
        for word, share, shade, frame in zip(
            words, shares, shades(words, shares), framed, strict=True
        )
    ]
    order = sorted(
        (i for i, w in enumerate(words) if w.text and not w.is_special),
        key=lambda i: -shares[i],
    )
    rows = [
        f"<tr><td>{html.escape(words[i].text)}</td><td>{words[i].first}</td>"
        f"<td>{shares[i]:.1%}</td></tr>"
        for i in order[:TOP]
    ]
    special = sum(
        share for word, share in zip(words, shares) if word.is_special
    )
    text = PAGE.format(
        about=f"Special tokens get {special:.1%} of it all.",
        rows="\n".join(rows),
        words="\n".join(spans),
    )
    write_text(path, text)


def _span(word, share, shade, frame):
    names = " ".join(
        name
        for name, has in (("special", word.is_special), ("global", frame))
        if has
    )
    kind = f' class="{names}"' if names else ""
    style = ""
    if shade > 0:
        color = "#fff" if shade > 0.6 else "inherit"
        background = f"rgba(43, 108, 176, {shade:.3f})"
        style = f' style="background: {background}; color: {color}"'
    return (
        f'<span{kind}{style} title="{share:.2%}">'
        f"{html.escape(word.text)}</span>"
    )
