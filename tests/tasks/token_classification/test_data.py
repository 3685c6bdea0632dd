"""CoNLL's columns: words, labels and what is wrong with them."""

import pytest

from keras_longformer.data.problems import DataError
from keras_longformer.tasks.token_classification.data import labels_of
from keras_longformer.tasks.token_classification.data import read_conll

TEXT = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O

Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER

-DOCSTART- -X- -X- O

# NN B-NP O
"""


def write(path, text):
    file = path / "data.conll"
    file.write_text(text, encoding="utf-8")
    return str(file)


def problems(path, **options):
    with pytest.raises(DataError) as error:
        read_conll(path, **options)
    return [str(p).removeprefix(path) for p in error.value.problems]


def test_reads_sentences(tmp_path):
    path = write(tmp_path, TEXT)
    rows = read_conll(path)
    assert [row.words for row in rows] == [
        ("EU", "rejects"),
        ("Peter", "Blackburn"),
        ("#",),
    ]
    assert rows[1].labels == ("B-PER", "I-PER")
    assert rows[1].place == f"{path}:6"
    assert labels_of(rows) == ["O", "B-ORG", "B-PER", "I-PER"]


def test_reads_documents(tmp_path):
    rows = read_conll(write(tmp_path, TEXT), rows="documents")
    assert [len(row.words) for row in rows] == [4, 1]
    assert rows[0].labels == ("B-ORG", "O", "B-PER", "I-PER")


def test_reads_other_columns_and_tabs(tmp_path):
    text = "# sent = 1\n1\tNew York\tB-LOC\t_\r\n2\tis\tO\t_\r\n\r\n"
    (row,) = read_conll(
        write(tmp_path, text),
        word_column=1,
        label_column=2,
        separator="\t",
    )
    assert row.words == ("New York", "is")
    assert row.labels == ("B-LOC", "O")
    rows = read_conll(write(tmp_path, TEXT), label_column=2)
    assert rows[1].labels == ("B-NP", "I-NP")


def test_keeps_words_that_hold_other_line_ends(tmp_path):
    text = "a\u2028b\tO\n\x0c\tO\n".replace("\x0c", "c\x0cd")
    (row,) = read_conll(write(tmp_path, text), separator="\t")
    assert row.words == ("a\u2028b", "c\x0cd")


def test_lists_all_problems_with_their_lines(tmp_path):
    text = "a x O\nb y\nc x B-\n\nd x Q-PER\ne x I-LOC\n"
    assert problems(write(tmp_path, text)) == [
        ":2: 2 columns, and line 1 has 3.",
        ":3: 'B-' is no label of IOB or IOBES: 'O', or 'B', 'I', 'E' or 'S' "
        "with the kind after a '-'. Is it the right column?",
        ":5: 'Q-PER' is no label of IOB or IOBES: 'O', or 'B', 'I', 'E' or "
        "'S' with the kind after a '-'. Is it the right column?",
    ]
    known = {"O", "I-PER"}
    (problem,) = problems(write(tmp_path, "a O\nb I-LOC\n"), known_labels=known)
    assert problem == ":2: unknown label 'I-LOC'. Known are: I-PER, O."


@pytest.mark.parametrize(
    "text, options, message",
    [
        ("\n\n", {}, "the file is empty"),
        ("-DOCSTART- O\n", {}, "no words"),
        ("a O\n", {"rows": "documents"}, "no -DOCSTART- lines"),
        ("a O\n", {"label_column": 2}, "no label column 2"),
        ("a O\n", {"word_column": -3}, "no word column -3"),
    ],
)
def test_refuses_other_files(tmp_path, text, options, message):
    (problem,) = problems(write(tmp_path, text), **options)
    assert message in problem


def test_rows_must_be_known(tmp_path):
    with pytest.raises(ValueError, match="documents"):
        read_conll(write(tmp_path, TEXT), rows="paragraphs")
