"""Small models and texts that the tests of models and exports share."""

import functools

import keras_longformer as klf

TEXTS = [
    "good " * 3,
    "a long and good text about whales. " * 9,
    "",
    "bad",
    "a bad and short text",
    "Ünïcödé 日本語 🙂 is bad",
]
LABELS = [1, 1, 1, 0, 0, 0]


def make_tokenizer(**config):
    """All 256 bytes, a few merges and the special tokens."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    characters = [chr(byte) for byte in visible]
    characters += [chr(256 + i) for i in range(len(hidden))]
    merges = ["Ġ t", "Ġ a", "h e", "o o", "g oo", "goo d", "b a", "ba d"]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *characters]
    tokens += [merge.replace(" ", "") for merge in merges] + ["<mask>"]
    return klf.LongformerTokenizer(
        {token: i for i, token in enumerate(tokens)}, merges, **config
    )


def make_backbone(**config):
    return klf.LongformerBackbone(
        **{
            "vocabulary_size": shared_tokenizer().vocabulary_size(),
            "num_layers": 1,
            "num_heads": 3,
            "hidden_dim": 24,
            "intermediate_dim": 37,
            "window_size": 8,
            "max_sequence_length": 64,
            "max_global_tokens": 1,
            "pooler": False,
            **config,
        }
    )


def make_classifier(pad_to="sequence_length", **config):
    preprocessor = klf.LongformerTextClassifierPreprocessor(
        shared_tokenizer(), sequence_length=64, pad_to=pad_to
    )
    return klf.LongformerTextClassifier(
        make_backbone(**config), num_classes=2, preprocessor=preprocessor
    )


def make_masked_lm(**config):
    preprocessor = klf.LongformerMaskedLMPreprocessor(
        shared_tokenizer(), sequence_length=64, seed=5
    )
    return klf.LongformerMaskedLM(
        make_backbone(**{"max_global_tokens": 0, **config}),
        preprocessor=preprocessor,
    )


QUESTIONS = ["who?", "what is Ünïcödé 🙂?", "why", "", "where?", "how?"]
CONTEXTS = [
    "a good text, and the answer is Ada Lovelace.",
    "a long and bad text. " * 9 + "日本語 🙂🙂 Zoë's naïve answer\u3000here",
    "nothing in it",
    "Ada, not Zoë, and again Ada",
    "",
    "the beginning " + "x y z " * 40,
]
# One, two and no answers; in the second text, cut off at 64 tokens.
ANSWERS = {
    "text": [["Ada Lovelace"], ["🙂🙂 Zoë"], [], ["Ada", "Ada"], [], ["the"]],
    "start": [[31], [193], [], [0, 24], [], [0]],
}


def make_question_answering(preprocessor=None, **config):
    preprocessor = {"sequence_length": 64, **(preprocessor or {})}
    return klf.LongformerQuestionAnswering(
        make_backbone(**{"max_global_tokens": 17, **config}),
        preprocessor=klf.LongformerQuestionAnsweringPreprocessor(
            shared_tokenizer(), **preprocessor
        ),
    )


@functools.cache
def shared_tokenizer():
    """One for many tests: to trace its graphs takes seconds."""
    return make_tokenizer()


def scaled(task):
    """The task with larger weights, so that its answers differ."""
    for weight in task.trainable_weights:
        weight.assign(weight * 10)
    return task
