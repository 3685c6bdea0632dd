"""SQuAD's layout: what is read, and everything that is refused."""

import json

import pytest

from keras_longformer.data.problems import DataError
from keras_longformer.tasks.question_answering.data import read_squad

CONTEXT = "Ünïcode 🙂 comes first. The 🙂 comes last."


def qa(identity="1", **changes):
    return {
        "id": identity,
        "question": "What comes?",
        "answers": [{"text": "comes", "answer_start": 10}],
        **changes,
    }


def write(path, *articles):
    """Articles are lists of `(context, qas)`."""
    data = [
        {"paragraphs": [{"context": c, "qas": qas} for c, qas in article]}
        for article in articles
    ]
    file = path / "data.json"
    file.write_text(json.dumps({"data": data}), encoding="utf-8")
    return str(file)


def problems(path, **options):
    with pytest.raises(DataError) as error:
        read_squad(path, **options)
    return [str(p).removeprefix(f"{path}, ") for p in error.value.problems]


def test_reads_questions_with_offsets_in_code_points(tmp_path):
    path = write(tmp_path, [(CONTEXT, [qa()])])
    (question,) = read_squad(path)
    assert question.id == "1"
    assert question.context == CONTEXT
    assert question.golds == ("comes",)
    assert question.place == f"{path}, data[0].paragraphs[0].qas[0]"


def test_joined_paragraphs_keep_their_answers(tmp_path):
    shifted = qa("2", answers=[{"text": "last", "answer_start": 35}])
    path = write(
        tmp_path,
        [(CONTEXT, [qa("1")]), (CONTEXT, [shifted])],
        [(CONTEXT, [qa("3")])],
    )
    apart = read_squad(path)
    joined = read_squad(path, join_paragraphs=True)
    assert [q.context for q in apart] == [CONTEXT] * 3
    assert joined[0].context == f"{CONTEXT}\n\n{CONTEXT}" == joined[1].context
    assert joined[2].context == CONTEXT
    for question in joined:
        (answer,) = question.answers
        assert question.context[answer.start :].startswith(answer.text)
    assert joined[1].answers[0].start == 35 + len(CONTEXT) + 2


def test_an_unanswerable_question(tmp_path):
    marked = qa(answers=[], is_impossible=True)
    (question,) = read_squad(write(tmp_path, [(CONTEXT, [marked])]))
    assert question.answers == question.golds == ()
    (question,) = read_squad(
        write(tmp_path, [(CONTEXT, [qa(answers=[], aliases=["a", "b"])])])
    )
    assert question.golds == ("a", "b")
    path = write(tmp_path, [(CONTEXT, [qa(answers=[])])])
    assert len(read_squad(path, unanswered="any")) == 1
    (problem,) = problems(path)
    assert "no answer" in problem and "is_impossible" in problem


def test_lists_all_problems_with_their_paths(tmp_path):
    no_id = qa()
    del no_id["id"]
    path = write(
        tmp_path,
        [
            (
                CONTEXT,
                [
                    qa("1", answers=[{"text": "comes", "answer_start": 11}]),
                    qa("1"),
                    qa("3", answers=[{"text": "goes", "answer_start": 999}]),
                    qa("4", answers=[{"text": "comes", "answer_start": "10"}]),
                    qa("5", answers=[{"text": " ", "answer_start": 9}]),
                    qa("6", question=" "),
                    qa("7", is_impossible=True),
                    no_id,
                    "qa",
                ],
            ),
            (" ", []),
        ],
        [],
    )
    at = "data[0].paragraphs[0].qas"
    assert problems(path) == [
        "data[0].paragraphs[1].context: the context is empty.",
        f"{at}[0].answers[0].answer_start: the answer 'comes' is not at "
        "character 11 of the context: 'omes ' stands there. It stands at 10.",
        f"{at}[1].id: '1' is the id of {at}[0] too.",
        f"{at}[2].answers[0].answer_start: the answer 'goes' is not at "
        "character 999 of the context: nothing is there. It is nowhere in the "
        "context.",
        f"{at}[3].answers[0].answer_start: must be an integer, and is a "
        "string.",
        f"{at}[4].answers[0].text: the answer is empty.",
        f"{at}[5].question: the question is empty.",
        f"{at}[6]: is_impossible is true, and there are 1 answers.",
        f"{at}[7]: has no 'id'.",
        f"{at}[8]: must be an object, and is a string.",
    ]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "the file is empty"),
        ('{"data": [\n{"paragraphs": []},\n]}', "data.json:3: not JSON"),
        ('{"data": {}}', "data: must be a list, and is an object"),
        ('{"questions": []}', "has no 'data'. It has 'questions'"),
        ('{"data": []}', "no questions"),
        ("[]", "must be an object, and is a list"),
    ],
)
def test_refuses_other_files(tmp_path, text, message):
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        read_squad(str(path))
    assert message in str(error.value)


def test_names_lines_that_are_not_utf8(tmp_path):
    path = tmp_path / "data.json"
    path.write_bytes(b'{"data":\n"\xff"\n,\n"caf\xe9"}')
    with pytest.raises(DataError) as error:
        read_squad(str(path))
    first, second = map(str, error.value.problems)
    assert first.startswith(f"{path}:2: not UTF-8: byte 2 of the line is ff")
    assert second.startswith(f"{path}:4: not UTF-8: byte 5")


def test_shows_the_first_problems_and_counts_the_rest(tmp_path):
    wrong = [qa(str(i), question="") for i in range(23)]
    with pytest.raises(DataError, match=r"^23 problems") as error:
        read_squad(write(tmp_path, [(CONTEXT, wrong)]))
    lines = str(error.value).splitlines()
    assert len(lines) == 22
    assert lines[-1] == "  ... and 3 more"
    assert len(error.value.problems) == 23


def test_reads_xquad_whole_and_joined(shared_data):
    path = str(shared_data / "qa" / "xquad.en.json")
    apart, joined = read_squad(path), read_squad(path, join_paragraphs=True)
    assert len(apart) == len(joined) == 1190
    assert len({q.context for q in apart}) == 240
    assert len({q.context for q in joined}) == 48
    for question in joined:
        for answer in question.answers:
            end = answer.start + len(answer.text)
            assert question.context[answer.start : end] == answer.text


def test_unanswered_must_be_known(tmp_path):
    with pytest.raises(ValueError, match="if_marked"):
        read_squad(str(tmp_path), unanswered="all")
