"""Contexts of letters with keys and their values among them.

    question  K
    context   q w e r A4 t z u i o p K7 a s d f G0 g h j k ...    answer  K7

Each character is a token. The key is in the question; the value stands behind
the same key in the context, as far away as the context is long.
"""

import numpy as np

import keras_longformer as klf

FILLER = "abcdefghijklmnopqrstuvwxyz"
KEYS = "ABCDEFGHIJKLMNOP"
VALUES = "0123456789"
PAIRS = 8  # in a context: guessing among them is right once in 8 times.
BEFORE_CONTEXT = 4  # `<s> K </s></s>`


def make_tokenizer() -> klf.LongformerTokenizer:
    """A token for each character, and the special ones."""
    tokens = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        *FILLER,
        *KEYS,
        *VALUES,
        "<mask>",
    ]
    return klf.LongformerTokenizer({t: i for i, t in enumerate(tokens)}, [])


def make_examples(
    count: int, length: int, seed: int
) -> tuple[dict, dict, np.ndarray]:
    """Returns `count` questions about contexts of `length` characters.

    Returns:
        Questions and contexts, answers, as the preprocessor takes them, and
        int `(count,)`, how many tokens lie between each key in the question
        and its value.
    """
    rng = np.random.default_rng([seed, length])
    questions, contexts, answers, starts = [], [], [], []
    # Places for pairs, with two letters between them at least.
    places = np.arange(0, length - 1, 4)
    for _ in range(count):
        characters = rng.choice([*FILLER], length)
        at = rng.permutation(places)[:PAIRS]
        keys = rng.choice([*KEYS], PAIRS, replace=False)
        characters[at] = keys
        characters[at + 1] = rng.choice([*VALUES], PAIRS)
        questions.append(str(keys[0]))
        contexts.append("".join(characters))
        answers.append("".join(characters[at[0] : at[0] + 2]))
        starts.append(at[0])
    return (
        {"question": questions, "context": contexts},
        {"text": answers, "start": starts},
        np.array(starts) + BEFORE_CONTEXT,
    )
