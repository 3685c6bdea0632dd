"""TriviaQA's layout, made up and small, to SQuAD's."""

import json

import pytest

from keras_longformer.cli.main import main
from keras_longformer.tasks.question_answering import triviaqa
from keras_longformer.tasks.question_answering.data import read_squad


def question(identity="tc_1", files=("Ada.txt",), kind="EntityPages", **more):
    return {
        "QuestionId": identity,
        "Question": "Who wrote the first program?",
        kind: [{"Filename": name, "Title": "t"} for name in files],
        "Answer": {
            "Value": "Ada Lovelace",
            "Aliases": ["Ada Lovelace", "Ada King", "Lovelace"],
            "NormalizedAliases": ["ada lovelace", "ada king", "lovelace"],
            "NormalizedValue": "ada lovelace",
        },
        **more,
    }


@pytest.fixture
def convert(tmp_path):
    """Writes questions and documents, and converts them."""

    def run(questions, documents, split="train", **options):
        folder = tmp_path / "evidence"
        folder.mkdir(exist_ok=True)
        for name, text in documents.items():
            (folder / name).write_text(text, encoding="utf-8")
        file = tmp_path / "qa.json"
        file.write_text(json.dumps({"Data": questions, "Split": split}))
        output = str(tmp_path / "out.json")
        options.setdefault("wikipedia", str(folder))
        counts = triviaqa.convert(str(file), output, **options)
        return counts, read_squad(output)

    return run


def test_finds_all_places_of_all_aliases(convert):
    text = (
        "Ada Lovelace wrote it. LOVELACE, that is,\nAda\u00a0 King. Lovelaces?"
    )
    counts, (row,) = convert([question()], {"Ada.txt": text})
    assert [a.text for a in row.answers] == [
        "Ada Lovelace",
        "Lovelace",
        "LOVELACE",
        "Ada\u00a0 King",
    ]
    for answer in row.answers:  # `read_squad` has checked the offsets, too.
        assert text[answer.start :].startswith(answer.text)
    assert row.golds[0] == "Ada Lovelace"
    assert counts == {
        "questions": 1,
        "rows": 1,
        "answers": 4,
        "without_documents": 0,
        "without_answer": 0,
    }


def test_puts_documents_together_and_cuts_them(convert):
    documents = {"a.txt": "one two Lovelace\n", "b.txt": "four Lovelace six"}
    asked = [question(files=("a.txt", "b.txt"))]
    _, (row,) = convert(asked, documents)
    assert row.context == "one two Lovelace\n\nfour Lovelace six"
    assert [a.start for a in row.answers] == [8, 23]
    _, (row,) = convert(asked, documents, words=4)
    assert row.context == "one two Lovelace\n\nfour"
    _, rows = convert(asked, documents, rows="documents")
    assert [r.id for r in rows] == ["tc_1--a.txt", "tc_1--b.txt"]


def test_only_training_files_lose_questions_without_an_answer(convert):
    asked = [question("1"), question("2", files=("other.txt",))]
    documents = {"Ada.txt": "Lovelace", "other.txt": "nobody"}
    counts, rows = convert(asked, documents)
    assert [r.id for r in rows] == ["1"] and counts["without_answer"] == 1
    counts, rows = convert(asked, documents, split="dev")
    assert [r.id for r in rows] == ["1", "2"]
    assert not rows[1].answers and "Ada King" in rows[1].golds


def test_counts_documents_that_are_missing(convert, capsys):
    asked = [question("1"), question("2", files=("gone.txt",))]
    counts, _ = convert(asked, {"Ada.txt": "Lovelace"})
    assert counts["without_documents"] == 1
    assert "1 documents are missing" in capsys.readouterr().err


def test_documents_of_the_web_are_in_a_folder_of_their_own(convert, tmp_path):
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "Ada.txt").write_text("Lovelace")
    asked = [question(kind="SearchResults")]
    _, (row,) = convert(asked, {}, wikipedia=None, web=str(tmp_path / "web"))
    assert row.context == "Lovelace"


@pytest.mark.parametrize(
    "text, alias, found",
    [
        ("the Cafe\u0301 de\u0301mode", "café", "Cafe\u0301"),
        ("ﬁnal", "final", "ﬁnal"),
        ("Jean–Luc", "jean-luc", "Jean–Luc"),
        ("O’Hara", "o'hara", "O’Hara"),
        ("in 1984.", "1984", "1984"),
        ("C++ is", "c++", "C++"),
        ("İstanbul x", "x", "x"),
        ("a 19845 b", "1984", None),
        ("anything", "", None),
        ("x", "x ", "x"),
    ],
)
def test_compares_normal_forms(text, alias, found):
    answers = triviaqa.find_answers(text, [alias])
    assert [a["text"] for a in answers] == ([found] if found else [])
    for answer in answers:
        start = answer["answer_start"]
        assert text[start : start + len(found)] == found


def test_refuses_other_files(tmp_path, convert):
    file = tmp_path / "other.json"
    file.write_text('{"data": []}')
    with pytest.raises(ValueError, match="not one of TriviaQA's files"):
        triviaqa.convert(str(file), "out.json", wikipedia=".")
    with pytest.raises(ValueError, match="Nothing of"):
        convert([question(files=("gone.txt",))], {})


def test_command(tmp_path, convert, capsys):
    convert([question()], {"Ada.txt": "Lovelace"})
    output = tmp_path / "again.json"
    arguments = ["prepare-triviaqa", "--questions", str(tmp_path / "qa.json")]
    arguments += ["--output", str(output)]
    folder = ["--wikipedia", str(tmp_path / "evidence")]
    assert main([*arguments, *folder]) == 0
    assert capsys.readouterr().out.split()[:2] == ["questions", "1"]
    assert output.read_text() == (tmp_path / "out.json").read_text()
    with pytest.raises(SystemExit) as info:
        main(arguments)
    assert info.value.code == 2
    assert "--wikipedia or --web" in capsys.readouterr().err
    assert main([*arguments, "--wikipedia", str(tmp_path / "no")]) == 1
    assert "documents are missing" in capsys.readouterr().err
