"""JSON lines, CSV and TSV for classes, label sets, numbers and choices."""

import json

import pytest

from keras_longformer.data.problems import DataError
from keras_longformer.data.problems import read_all
from keras_longformer.tasks.multiple_choice.data import read_choices
from keras_longformer.tasks.text_classification.data import labels_of
from keras_longformer.tasks.text_classification.data import read_classes
from keras_longformer.tasks.text_classification.data import read_label_sets
from keras_longformer.tasks.text_classification.data import read_numbers


def write(path, name, text):
    file = path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(file)


def json_lines(path, *rows, name="data.jsonl"):
    return write(path, name, "\n".join(json.dumps(row) for row in rows) + "\n")


def problems(reader, path, **options):
    with pytest.raises(DataError) as error:
        reader(path, **options)
    return [str(p).removeprefix(path) for p in error.value.problems]


def test_reads_classes_from_each_kind_of_file(tmp_path):
    rows = [('a long\ntext, with "all"', "yes"), ("another", "no")]
    quoted = '"a long\ntext, with ""all""",yes\r\nanother,no\r\n'
    files = [
        json_lines(tmp_path, *[{"text": t, "label": v} for t, v in rows]),
        write(tmp_path, "data.csv", "\ufefftext,label\r\n" + quoted),
        write(
            tmp_path,
            "data.tsv",
            "text\tlabel\n"
            + quoted.replace(",yes", "\tyes").replace(",no", "\tno"),
        ),
    ]
    for file in files:
        examples = read_classes(file)
        assert [(e.text, e.label) for e in examples] == rows
    assert read_classes(files[0])[1].place == f"{files[0]}:2"
    assert read_classes(files[1])[1].place == f"{files[1]}:4"
    assert labels_of(read_classes(files[0])) == ["no", "yes"]


def test_integers_are_classes_in_their_order(tmp_path):
    rows = [{"text": "t", "label": label} for label in (10, 9, -1)]
    examples = read_classes(json_lines(tmp_path, *rows))
    assert labels_of(examples) == ["-1", "9", "10"]


def test_reads_very_long_cells(tmp_path):
    text = "word " * 40_000
    path = write(tmp_path, "data.csv", f"text,label\n{text},a\n")
    assert read_classes(path)[0].text == text


def test_lists_all_problems_of_classes(tmp_path):
    path = write(
        tmp_path,
        "data.jsonl",
        '{"text": "t", "label": "a", "id": 1}\n'
        '{"text": "t", "label": "a"\n'
        '["t"]\n'
        "null\n"
        '{"text": "", "label": "a"}\n'
        '{"text": "t"}\n'
        '{"text": 3, "label": "a", "id": "1"}\n'
        '{"text": "t", "label": "c"}\n',
    )
    found = problems(read_classes, path, known_labels=["a", "b"])
    assert sorted(found) == [
        ":2: not JSON: Expecting ',' delimiter, at column 27.",
        ":3: must be a JSON object, {...}.",
        ":4: must be a JSON object, {...}.",
        ":5: 'text' is empty.",
        ":6: there is no 'label'. There are: 'text'.",
        ":7: '1' is the id of line 1 too.",
        ":7: 'text' must be str, and is int: '3'.",
        ":8: unknown label 'c'. Known are: a, b.",
    ]


@pytest.mark.parametrize(
    "text, message",
    [
        ("text,label\na\n", ":2: 1 columns, and the first line names 2"),
        ('text,label\n"a,b\n', ":2: cannot be read: unexpected end of data"),
        ("text,text\na,b\n", ":1: the first line must name the columns"),
        ("text,label\n", ": there are no rows"),
        ("words,label\na,b\n", ":2: there is no 'text'. There are: 'words'"),
    ],
)
def test_refuses_broken_csv(tmp_path, text, message):
    path = write(tmp_path, "data.csv", text)
    assert any(p.startswith(message) for p in problems(read_classes, path))


def test_the_name_says_what_a_file_is(tmp_path):
    with pytest.raises(ValueError, match=r"\.jsonl, \.ndjson, \.csv, \.tsv"):
        read_classes(write(tmp_path, "data.txt", "text"))


def test_reads_label_sets(tmp_path):
    path = json_lines(
        tmp_path,
        {"text": "t", "labels": ["b", 3]},
        {"text": "t", "labels": []},
    )
    assert [e.label for e in read_label_sets(path)] == [("b", "3"), ()]
    path = write(tmp_path, "data.csv", "text,labels\nt,b|3\nt,\n")
    examples = read_label_sets(path)
    assert [e.label for e in examples] == [("b", "3"), ()]
    assert labels_of(examples) == ["3", "b"]
    path = json_lines(
        tmp_path,
        {"text": "t", "labels": ["b", "b", "c"]},
        {"text": "t", "labels": [None]},
    )
    assert problems(read_label_sets, path, known_labels=["b"]) == [
        ":1: the label 'b' stands twice.",
        ":1: unknown label 'c'. Known are: b.",
        ":2: 'labels' must hold names, and holds None.",
    ]


def test_reads_numbers(tmp_path):
    path = write(tmp_path, "data.csv", "text,label\nt,1e-1\nt, -2\n")
    assert [e.label for e in read_numbers(path)] == [0.1, -2.0]
    path = write(
        tmp_path,
        "data.jsonl",
        '{"text": "t", "label": NaN}\n{"text": "t", "label": "many"}\n',
    )
    assert len(problems(read_numbers, path)) == 2


def test_reads_choices(tmp_path):
    row = {"context": "c", "choices": ["x", "y"], "label": 1}
    path = json_lines(tmp_path, row, {**row, "label": "x", "id": "q"})
    first, second = read_choices(path)
    assert (first.context, first.choices, first.label) == ("c", ("x", "y"), 1)
    assert (second.label, second.id) == (0, "q")
    assert first.question is None
    path = json_lines(tmp_path, {**row, "question": "q?"}, row)
    assert problems(read_choices, path) == [
        ":2: there is no 'question'. There are: 'context', 'choices', 'label'."
    ]
    (only,) = read_choices(json_lines(tmp_path, {**row, "question": "q?"}))
    assert only.question == "q?"
    table = "context,choices_0,choices_1,label\nc,x,y,1\n"
    (only,) = read_choices(write(tmp_path, "data.csv", table))
    assert (only.choices, only.label) == (("x", "y"), 1)


def test_lists_all_problems_of_choices(tmp_path):
    row = {"context": "c", "choices": ["x", "y"], "label": 1}
    path = json_lines(
        tmp_path,
        row,
        {**row, "choices": ["x", "y", "z"]},
        {**row, "label": 2},
        {**row, "choices": ["x", "x"]},
        {**row, "choices": ["x"], "context": " "},
        {"context": "c", "label": 1},
        {**row, "choices": ["x", " "]},
    )
    assert sorted(problems(read_choices, path)) == [
        ":2: 3 choices, and line 1 has 2.",
        ":3: 'label' must be an index from 0 to 1 or one of the choices, and "
        "is 2.",
        ":4: choice 1 is a choice before too: 'x'.",
        ":5: 'context' is empty.",
        ":5: there must be two choices at least.",
        ":6: there is no 'choices' and no 'choices_0'.",
        ":7: choice 1 must be a text: ' '.",
    ]


def test_problems_of_several_files_come_together(tmp_path):
    first = json_lines(tmp_path, {"text": "", "label": "a"}, name="a.jsonl")
    second = json_lines(tmp_path, {"text": "t"}, name="b.jsonl")
    with pytest.raises(DataError, match="2 problems") as error:
        read_all(
            [lambda: read_classes(first), lambda: read_classes(second)],
            shown=1,
        )
    assert str(error.value).endswith("... and 1 more")
    good = json_lines(tmp_path, {"text": "t", "label": "a"})
    (examples,) = read_all([lambda: read_classes(good)])
    assert len(examples) == 1
