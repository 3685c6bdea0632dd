"""What `fit`, `evaluate` and `predict` take, of every task.

To trace a task's graphs takes seconds. Most tests stop before Keras: `caught`
holds what Keras would have been given.
"""

import functools
import re
import threading

import grain
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.tasks.batches import Stream
from keras_longformer.tasks.batches import plain_errors
from tests.tasks import small
from tests.tasks.table import BY_NAME
from tests.tasks.table import KINDS
from tests.tasks.table import make

each = pytest.mark.parametrize("kind", KINDS, ids=str)
TEXTS, LABELS = small.TEXTS, [1, 2, 1, 0, 0, 0]
NAMES = ["zero", "one", "two"]


@functools.cache
def task_of(name):
    return BY_NAME[name].make(dropout=0.0)


@functools.cache
def shared_classifier():
    head = {"num_classes": 3, "class_names": NAMES}
    return make(klf.LongformerTextClassifier, head=head, dropout=0.0)


@pytest.fixture
def classifier():
    task = shared_classifier()
    task.preprocessor.num_texts = None
    task.compile(keras.optimizers.SGD(0.0))
    return task


@pytest.fixture
def caught(monkeypatch):
    """What Keras is given, texts and labels as they were read."""
    given = {}

    def unchanged(self, x, y=None, sample_weight=None):
        if y is not None:
            y = self.labels.in_graph(y, x)
        return tuple(p for p in (x, y, sample_weight) if p is not None)

    def catch(self, data, **options):
        given.update(options, data=data)

    for name in ("fit", "evaluate", "predict"):
        monkeypatch.setattr(keras.Model, name, catch)
    for kind in KINDS:
        monkeypatch.setattr(kind.cls, "preprocess_samples", unchanged)
    return given


def elements(data):
    """All elements of a dataset of batches, flat: one list a leaf."""
    columns = []
    for batch in data:
        leaves = [
            leaf.to_list() if isinstance(leaf, tf.RaggedTensor) else leaf
            for leaf in tf.nest.flatten(batch)
        ]
        leaves = [
            leaf if isinstance(leaf, list) else leaf.numpy().tolist()
            for leaf in leaves
        ]
        columns = columns or [[] for _ in leaves]
        for column, leaf in zip(columns, leaves, strict=True):
            column.extend(leaf)
    return columns


# Each a function of a list, to the same in another kind.
KINDS_OF_COLUMN = {
    "tuple": tuple,
    "objects": lambda x: np.array([*x, None], object)[:-1],
    "series": lambda x: pd.Series(x, index=range(7, 7 + len(x))),
    "tensor": lambda x: (
        tf.ragged.constant(x) if isinstance(x[0], list) else tf.constant(x)
    ),
}


def as_kind(convert, x):
    if isinstance(x, dict):
        return {name: convert(part) for name, part in x.items()}
    return tuple(map(convert, x)) if isinstance(x, tuple) else convert(x)


class Batches(keras.utils.PyDataset):
    """Two examples each."""

    def __init__(self, x, y=None, **options):
        super().__init__(**options)
        self.parts = [x] if y is None else [x, y]
        self.ended = 0
        self.threads = set()

    def __len__(self):
        first = self.parts[0]
        if isinstance(first, dict):
            (first, *_) = first.values()
        elif isinstance(first, tuple):
            first = first[0]
        return len(first) // 2

    def __getitem__(self, i):
        self.threads.add(threading.current_thread().name)
        two = slice(2 * i, 2 * i + 2)
        return tuple(as_kind(lambda c: c[two], part) for part in self.parts)

    def on_epoch_end(self):
        self.ended += 1


@each
def test_the_same_from_every_kind(kind, caught):
    """Columns in memory, and batches, are read as lists are."""
    task = task_of(kind.name)
    task.fit(kind.x, kind.y, shuffle=False)
    want = elements(caught["data"])
    assert len(want[0]) in (4, 6)
    for convert in KINDS_OF_COLUMN.values():
        y = None if kind.y is None else as_kind(convert, kind.y)
        task.fit(as_kind(convert, kind.x), y, shuffle=False)
        assert elements(caught["data"]) == want, convert
    batches = Batches(kind.x, kind.y)
    loader = grain.MapDataset.source(batches)
    task.fit(batches, shuffle=False)
    assert elements(caught["data"]) == want
    assert len(caught["data"]) == len(batches)
    assert elements(caught["data"]) == want  # The next epoch.
    assert batches.ended == 2
    for others in (loader, loader.to_iter_dataset()):
        task.fit(others)
        assert elements(caught["data"]) == want
    generator = (batches[i] for i in range(len(batches)))
    task.evaluate(generator)
    assert elements(caught["data"]) == want
    task.evaluate(kind.x, kind.y, batch_size=3)
    assert elements(caught["data"]) == want
    task.predict(kind.x)
    only = elements(caught["data"])
    assert only == want[: len(only)]


def test_frames(caught):
    frame = pd.DataFrame(
        {"question": small.QUESTIONS, "context": small.CONTEXTS}
    )
    answers = pd.DataFrame(small.ANSWERS)
    task = task_of("question_answering")
    task.fit(frame, answers, shuffle=False)
    got = elements(caught["data"])
    task.fit(BY_NAME["question_answering"].x, small.ANSWERS, shuffle=False)
    assert elements(caught["data"]) == got
    with pytest.raises(ValueError, match="Received: ..context., .label., .que"):
        task.fit(frame.assign(label=1), answers)


def test_one_text(classifier):
    """One example without a batch axis, where there can be no other."""
    assert classifier.predict("good", verbose=0).shape == (1, 3)
    assert classifier.predict_windows("good", verbose=0).shape == (1, 3)
    one = {"question": "who?", "context": "it was Ada"}
    said = task_of("question_answering").answer(*one.values())
    assert said["answer"].shape == (1,)


def test_strings_in_a_tuple(classifier, caught):
    """They are texts, unless they could be one pair."""
    classifier.fit(tuple(TEXTS), tuple(LABELS), shuffle=False)
    assert elements(caught["data"])[1] == LABELS
    assert classifier.preprocessor.num_texts == 1
    classifier.predict(("a", "b"))
    assert elements(caught["data"]) == [[b"a", b"b"]]
    classifier.preprocessor.num_texts = 2
    classifier.predict(("a", "b"))
    assert elements(caught["data"]) == [[b"a"], [b"b"]]
    classifier.preprocessor.num_texts = None
    with pytest.raises(
        ValueError, match=r"write `\[a, b\]`.*`\(\[a\], \[b\]\)"
    ):
        classifier.predict(("a", "b"))
    classifier.fit({"text": TEXTS, "text_pair": TEXTS}, LABELS)
    assert classifier.preprocessor.num_texts == 2


def orders(data, epochs=2):
    return [elements(data)[0] for _ in range(epochs)]


def test_shuffled_each_epoch(classifier, caught):
    texts = [str(i) for i in range(40)]
    labels = [i % 3 for i in range(40)]
    runs = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        classifier.fit(texts, labels, batch_size=8)
        data = caught["data"]
        got = elements(data)
        assert [int(text) % 3 for text in got[0]] == got[1]  # Together.
        runs.append(orders(data))
    assert len(data) == 5
    assert caught["shuffle"] is False  # Keras has nothing to warn about.
    assert runs[0] == runs[1]
    first, second = runs[0]
    in_order = [text.encode() for text in texts]
    assert first != second and first != in_order
    assert sorted(first) == sorted(second) == sorted(in_order)
    classifier.fit(texts, labels, shuffle=False)
    assert orders(caught["data"], 1) == [in_order]
    classifier.fit(texts, labels, batch_size=8, shuffle="batch")
    (mixed,) = orders(caught["data"], 1)
    assert mixed != in_order
    assert {tuple(mixed[i : i + 8]) for i in range(0, 40, 8)} == {
        tuple(in_order[i : i + 8]) for i in range(0, 40, 8)
    }
    # Batches of a `PyDataset` too, and Grain's anew each epoch.
    classifier.fit(Batches(texts, labels))
    first, second = orders(caught["data"])
    assert first != second and sorted(first) == sorted(in_order)
    source = grain.MapDataset.source([*zip(texts, labels, strict=True)])
    classifier.fit(source.shuffle(seed=1).batch(8))
    first, second = orders(caught["data"])
    assert first != second and sorted(second) == sorted(in_order)


def test_little_padding(classifier, caught):
    """Texts of like length come together, at random; answers as they came."""
    sizes = np.random.default_rng(0).permutation(48) + 1
    texts = ["ab " * 100 * size for size in sizes]
    keras.utils.set_random_seed(7)
    classifier.fit(texts, [0] * 48, batch_size=2)
    runs = [
        [len(text) // 300 for text in texts]
        for texts in orders(caught["data"], epochs=3)
    ]
    for run in runs:
        assert sorted(run) == list(range(1, 49))
        apart = [abs(run[i] - run[i + 1]) for i in range(0, 48, 2)]
        assert np.mean(apart) < 9  # At random it would be 16.
        assert run[::2] != sorted(run[::2])
    assert runs[0] != runs[1]
    assert len(caught["data"]) == 24
    classifier.fit(texts[:6], [0] * 6, batch_size=2)  # Too few to choose of.
    assert sorted(orders(caught["data"], 1)[0]) == sorted(
        text.encode() for text in texts[:6]
    )


def test_answers_come_in_the_order_of_texts(classifier):
    texts = [f"{'ab ' * (i % 7)}{i}" for i in range(20)]
    want = np.concatenate(
        [classifier.predict_on_batch([text]) for text in texts[:4]]
    )
    got = classifier.predict(texts, batch_size=6, verbose=0)
    np.testing.assert_allclose(got[:4], want, atol=1e-5)
    assert got.shape[0] == 20


def test_held_out(classifier, caught):
    """The last part, before anything is shuffled."""
    weights = pd.Series([1.0, 2, 3, 4, 5, 6])
    classifier.fit(
        np.array(TEXTS),
        LABELS,
        sample_weight=weights,
        validation_split=0.4,
        batch_size=4,
        validation_batch_size=1,
    )
    held_out = caught["validation_data"]
    assert len(held_out) == 3 and len(caught["data"]) == 1
    assert elements(held_out)[1:] == [[0, 0, 0], [4.0, 5, 6]]
    assert sorted(elements(caught["data"])[2]) == [1.0, 2, 3]
    for data in ((TEXTS, LABELS), [pd.Series(TEXTS), LABELS]):
        classifier.fit(TEXTS, LABELS, validation_data=data, batch_size=4)
        assert elements(caught["validation_data"])[1] == LABELS
        assert len(caught["validation_data"]) == 2
    classifier.fit(
        TEXTS, LABELS, batch_size=4, validation_data=Batches(TEXTS, LABELS)
    )
    assert elements(caught["validation_data"])[1] == LABELS
    masked_lm = task_of("masked_lm")
    masked_lm.fit(TEXTS, validation_data=TEXTS[:2])
    assert elements(caught["validation_data"])[0] == [
        text.encode() for text in TEXTS[:2]
    ]


def test_weights_of_classes(classifier, caught):
    classifier.fit(
        TEXTS, LABELS, class_weight={"one": 2.0, 2: 3}, shuffle=False
    )
    assert elements(caught["data"])[2] == [2.0, 3, 2, 1, 1, 1]
    assert "class_weight" not in caught
    for options, match in (
        ({"class_weight": {3: 1.0}}, "must be classes, 0 to 2 or one of"),
        (
            {"class_weight": {0: 1.0}, "sample_weight": [1] * 6},
            "not both",
        ),
    ):
        with pytest.raises(ValueError, match=match):
            classifier.fit(TEXTS, LABELS, **options)
    with pytest.raises(ValueError, match="is for labels that are one class"):
        task_of("masked_lm").fit(TEXTS, class_weight={0: 1.0})


def test_threads_of_a_py_dataset(classifier, caught):
    batches = Batches(TEXTS, LABELS, workers=2)
    classifier.fit(batches, shuffle=False)
    assert elements(caught["data"])[1] == LABELS
    assert any("ThreadPool" in name for name in batches.threads)
    with pytest.raises(ValueError, match="`use_multiprocessing=False`"):
        classifier.fit(Batches(TEXTS, LABELS, use_multiprocessing=True))


def test_fits_and_predicts(classifier):
    """Through Keras, with any warning an error: the progress bar knows the
    steps, and batches of an unknown number end in silence."""
    seen = []
    steps = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: seen.append(steps.params["steps"])
    )
    options = {"verbose": 0, "callbacks": [steps]}
    classifier.fit(
        pd.Series(TEXTS),
        pd.Series(LABELS).map(NAMES.__getitem__),
        batch_size=4,
        epochs=2,
        validation_split=0.4,
        **options,
    )
    generator = (b for b in [(TEXTS[:3], LABELS[:3]), (TEXTS[3:], LABELS[3:])])
    loss = classifier.fit(generator, **options).history["loss"]
    assert seen == [1, None]
    want = classifier.predict(TEXTS, verbose=0)
    (first,) = classifier.evaluate(TEXTS, LABELS, verbose=0)[:1]
    np.testing.assert_allclose(loss, first, rtol=1e-4)
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(4)
    for x in (grain.MapDataset.source(TEXTS).batch(2), dataset):
        got = classifier.predict(x, verbose=0)
        np.testing.assert_allclose(got, want, atol=1e-5)
    got = classifier.predict_windows(dataset, verbose=0)
    np.testing.assert_allclose(got[3:], want[3:], atol=1e-5)
    got = classifier.predict_on_batch(np.array(TEXTS))
    np.testing.assert_allclose(got, want, atol=1e-5)
    got = classifier.test_on_batch(pd.Series(TEXTS), np.array(LABELS))
    np.testing.assert_allclose(got[0], first, rtol=1e-4)
    trained = classifier.train_on_batch(TEXTS, LABELS)
    np.testing.assert_allclose(trained[0], first, rtol=1e-4)
    labels = tf.constant([0, 1, 3, 0, -1, 0])
    bad = tf.data.Dataset.from_tensor_slices((TEXTS, labels)).batch(6)
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match="^Labels must be from 0 to 2.*Received: 3, -1; row .*: 2, 4$",
    ):
        classifier.fit(bad, verbose=0)


def test_preprocessors_in_grain(classifier):
    data = grain.MapDataset.source([*zip(TEXTS, LABELS, strict=True)]).batch(4)
    x, y = data.map(classifier.preprocessor)[0]
    assert all(type(part) is np.ndarray for part in (*x.values(), y))


NUMBERS = "Texts must be strings; in row"
REFUSED = {
    "no labels": ((TEXTS,), "`fit` needs labels"),
    "too few labels": ((TEXTS, [0, 1]), "6 texts and 2 labels"),
    "none": (([*TEXTS[:5], None], LABELS), r"row 5 there is none, but None"),
    "nan": ((pd.Series([*TEXTS[:5], None]), LABELS), "in row 5 there is none"),
    "na": (([pd.NA, *TEXTS[1:]], LABELS), r"row 0 there is none, but <NA>"),
    "empty": (([], []), "There are no texts: received an empty list"),
    "latin-1": (([b"caf\xe9", "a"], [0, 1]), r'decode\("latin-1"\)'),
    "surrogate": ((["\ud800", "a"], [0, 1]), "row 0 there is half a surr"),
    "numbers": (([1, 2.5], [0, 1]), f"{NUMBERS} 0, 1 there is a int: 1"),
    "arrays of numbers": ((np.eye(2), [0, 1]), "strings.*float64.*= None"),
    "lists": (([["a", "b"]] * 2, [0, 1]), r"is a list.*`\(texts, others\)`"),
    "a misspelt key": (({"txt": TEXTS}, LABELS), r'"text_pair".*\[.txt.\]'),
    "token ids": (({"token_ids": [[1]]}, [0]), "preprocessor = None"),
    "three parts": (((TEXTS,) * 3, LABELS), "Received: a tuple of 3"),
    "parts of unequal length": (((TEXTS, TEXTS[1:]), LABELS), "6 in .* 5 in"),
    "a function": ((lambda: None,), "call it, `<lambda>"),
    "one-hot labels": ((TEXTS, np.eye(3)[LABELS]), r"`labels.argmax\(-1\)`"),
    "rows of labels": ((TEXTS, [[1, 2]] * 6), r"one label a text.*\(6, 2\)"),
    "a high class": ((TEXTS, [0, 3, -1, 0, 0, 7]), "-1, 3, 7, in row 1, 2, 5"),
    "a fraction": ((TEXTS, [0, 0.5, 0, 0, 0, 0]), "0.5 in row 1.*regression"),
    "no number": ((TEXTS, [0, 1, np.nan, 0, 0, 0]), "no label in row 2, but N"),
    "no label": ((TEXTS, [0, 1, None, 0, 0, 0]), "no label in row 2, but None"),
    "no such name": ((TEXTS, [*NAMES, *NAMES[:2], "x"]), "'x', in row 5"),
    "an unbatched dataset": (
        (tf.data.Dataset.from_tensor_slices((TEXTS, LABELS)),),
        r"without a batch axis: write `dataset.batch\(8\)`",
    ),
    "an unknown shape": (
        (
            tf.data.Dataset.from_generator(
                lambda: [], output_types=(tf.string, tf.int32)
            ),
        ),
        r"Texts of the dataset have a shape .*tf.ensure_shape\(x, \[None\]\)",
    ),
    "unbatched elements": (
        (iter(zip(TEXTS, LABELS, strict=True)),),
        r"must be a batch.* write `.batch\(8\)`",
    ),
    "no batches": ((iter([]),), "is empty, or used up"),
    "labels beside batches": ((Batches(TEXTS), LABELS), "hold their own `y`"),
}


@pytest.mark.parametrize("given, match", REFUSED.values(), ids=REFUSED.keys())
def test_refused_in_one_line(given, match, classifier):
    with pytest.raises((ValueError, TypeError), match=match) as caught:
        classifier.fit(*given)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_what_options_cannot_be(classifier):
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, LABELS)).batch(2)
    for data, options, match in (
        (dataset, {"validation_split": 0.5}, "Give `validation_data="),
        (dataset, {"batch_size": 4}, "Received: batch_size=4"),
        (iter(dataset), {"epochs": 2}, "only once.*`steps_per_epoch="),
    ):
        with pytest.raises(ValueError, match=match):
            classifier.fit(data, **options)
    with pytest.raises(ValueError, match="validation_split=0.9 of 1 texts"):
        classifier.fit("a", 0, validation_split=0.9)
    with pytest.raises(ValueError, match="There is nan in row 1"):
        classifier.fit(TEXTS, LABELS, sample_weight=[1, np.nan, 1, 1, 1, 1])
    no_names = task_of("text_classification")
    with pytest.raises(ValueError, match=r"`class_names=\[...\]`"):
        no_names.fit(TEXTS, ["a", "b"] * 3)


def test_late_errors_of_generators(caught, classifier):
    """What the second batch has is said as the first one's is."""
    batches = [(TEXTS[:2], [0, 1]), (TEXTS[2:4], [0, 9])]
    classifier.fit(iter(batches))
    with pytest.raises(tf.errors.OpError):
        elements(caught["data"])
    stream = Stream(iter(batches), classifier._reader("fit"))
    data = stream.dataset()
    with pytest.raises(ValueError, match="^Labels must be.*: 9, in row 1.$"):
        with plain_errors(data, None, stream):
            elements(data)


TASKS_REFUSE = {
    "too few words": (
        "token_classification",
        ([["a", "b"], ["c"]], [[0, 1], [2, 0]]),
        "In row 1 there are not, such as 1 words and 2 labels",
    ),
    "a class of words": (
        "token_classification",
        ([["a", "b"], ["c"]], [[0, 1], [5]]),
        "Received: 5, in row 1",
    ),
    "labels of texts": (
        "token_classification",
        ([["a", "b"], ["c", "d"]], [0, 1]),
        "one label a word",
    ),
    "unbatched words": (
        "token_classification",
        (tf.data.Dataset.from_tensors((tf.constant(["a"]), [0])),),
        r"write `dataset.ragged_batch\(8\)`",
    ),
    "a choice that is not there": (
        "multiple_choice",
        ({"context": ["a"] * 2, "choices": [["a", ""], ["a", "b"]]}, [1, 1]),
        "Received: 1 in row 0, the first of 1 choices",
    ),
    "one-hot choices": (
        "multiple_choice",
        ({"context": ["a"] * 2, "choices": [["a", "b"]] * 2}, np.eye(2)),
        r"labels.argmax\(-1\)",
    ),
    "a misspelt choice": (
        "multiple_choice",
        ({"context": ["a"], "choice": [["a", "b"]]}, [1]),
        r'"choices".* Received: \[.choice., .context.\]',
    ),
    "flat choices": (
        "multiple_choice",
        ({"context": ["a"] * 2, "choices": ["a", "b"]}, [0, 0]),
        '"choices" must be lists of texts',
    ),
    "fewer contexts": (
        "question_answering",
        ({"question": ["a"] * 2, "context": ["b"]}, small.ANSWERS),
        '2 in "question" and 1 in "context"',
    ),
    "misspelt answers": (
        "question_answering",
        (
            {"question": ["a"], "context": ["b"]},
            {"text": ["b"], "answer_start": [0]},
        ),
        r"Answers are a dict of .text.* Received: \[.answer_start., .text",
    ),
    "answers that are few": (
        "question_answering",
        (BY_NAME["question_answering"].x, {"text": ["b"], "start": [0]}),
        "6 texts and 1 ",
    ),
    "single texts": (
        "embedding",
        (TEXTS,),
        r"from pairs of texts: `fit\(\(texts, partners\)\)`",
    ),
    "scores": (
        "embedding",
        ((TEXTS, TEXTS), [1.0] * 6),
        'takes pairs without scores.*objective="similarity"',
    ),
    "labels of a masked LM": (
        "masked_lm",
        (TEXTS, LABELS),
        "makes its own labels",
    ),
}


@pytest.mark.parametrize(
    "name, given, match", TASKS_REFUSE.values(), ids=TASKS_REFUSE.keys()
)
def test_tasks_refuse_in_one_line(name, given, match):
    with pytest.raises((ValueError, TypeError), match=match) as caught:
        task_of(name).fit(*given)
    assert not re.search(r"\n", str(caught.value))
