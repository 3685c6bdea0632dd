"""Questions with their contexts and answers, from SQuAD's JSON layout."""

import dataclasses

from keras_longformer.data.problems import Problems
from keras_longformer.data.problems import parse_json
from keras_longformer.data.problems import read_text

BETWEEN_PARAGRAPHS = "\n\n"
_JSON_NAMES = {
    str: "a string",
    int: "an integer",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    float: "a number",
    type(None): "null",
}


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer as it stands in the context.

    Attributes:
        text: str.
        start: int, the index of its first character, counted in code points.
    """

    text: str
    start: int


@dataclasses.dataclass(frozen=True)
class Question:
    """A question about a context.

    Attributes:
        id: str, unique in its file.
        question: str.
        context: str; questions about the same one share it.
        answers: tuple of `Answer`, all that are right; empty where the context
            has none.
        aliases: tuple of str, right answers that need not stand in the
            context: what converted TriviaQA files have.
        place: str, file and path, for messages.
    """

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...] = ()
    aliases: tuple[str, ...] = ()
    place: str = ""

    @property
    def golds(self) -> tuple[str, ...]:
        """The texts that predictions are compared with."""
        return self.aliases or tuple(answer.text for answer in self.answers)


def read_squad(
    path: str,
    *,
    join_paragraphs: bool = False,
    unanswered: str = "if_marked",
) -> list[Question]:
    """Reads a file in the layout of SQuAD 1.1 and 2.0.

        {"data": [{"paragraphs": [{"context": "...", "qas": [
            {"id": "...", "question": "...", "is_impossible": false,
             "answers": [{"text": "...", "answer_start": 17}]}]}]}]}

    XQuAD has the same, and what `keras-longformer prepare-triviaqa` writes,
    with `"aliases"` beside `"answers"`.

    Args:
        path: str, a UTF-8 file.
        join_paragraphs: bool, makes one long context of the paragraphs of an
            article, with an empty line between two. Offsets move with them.
        unanswered: which questions may have no answers. `"if_marked"`: those
            with `is_impossible` or with `aliases`; `"any"`: all, for files
            without published answers.

    Returns:
        List of `Question`, in the file's order.

    Raises:
        DataError: everything that is wrong: the layout, empty contexts and
            questions, answers that do not stand where they should, ids that
            come twice.
        OSError: the file cannot be read.
    """
    if unanswered not in ("if_marked", "any"):
        raise ValueError(
            "`unanswered` must be 'if_marked' or 'any'. "
            f"Received: unanswered={unanswered!r}"
        )
    text = read_text(path)
    reader = _Reader(Problems(path), unanswered)
    document = parse_json(text, reader.problems)
    reader.problems.raise_if_any()
    if isinstance(document, dict) and "data" not in document:
        names = ", ".join(map(repr, list(document)[:5])) or "nothing"
        reader.problems.add(
            None,
            f"not SQuAD's layout: the object has no 'data'. It has {names}.",
        )
    else:
        for article, place in reader.items(document, "data", ""):
            reader.article(article, place, join_paragraphs)
    if not reader.questions and not reader.problems.found:
        reader.problems.add(None, "there are no questions in the file.")
    reader.problems.raise_if_any()
    return reader.questions


class _Reader:
    """Walks through one file, and notes what is wrong."""

    def __init__(self, problems, unanswered):
        self.problems = problems
        self.unanswered = unanswered
        self.questions = []
        self.first_places = {}  # Of ids.

    def article(self, article, place, join):
        paragraphs = []
        for paragraph, at in self.items(article, "paragraphs", place):
            context = self.get(paragraph, "context", str, at)
            if context is not None and not context.strip():
                self.problems.add(f"{at}.context", "the context is empty.")
                context = None
            paragraphs.append((paragraph, at, context))
        contexts = [context or "" for _, _, context in paragraphs]
        joined = BETWEEN_PARAGRAPHS.join(contexts)
        shift = 0
        for paragraph, at, context in paragraphs:
            for qa, place_of_qa in self.items(paragraph, "qas", at):
                self.qa(
                    qa,
                    place_of_qa,
                    context,
                    joined if join else context,
                    shift if join else 0,
                )
            shift += len(context or "") + len(BETWEEN_PARAGRAPHS)

    def qa(self, qa, place, paragraph, context, shift):
        identity = self.get(qa, "id", str, place)
        question = self.get(qa, "question", str, place)
        if question is not None and not question.strip():
            self.problems.add(f"{place}.question", "the question is empty.")
        if identity is not None:
            first = self.first_places.setdefault(identity, place)
            if first != place:
                self.problems.add(
                    f"{place}.id", f"{identity!r} is the id of {first} too."
                )
        aliases = self.aliases(qa, place)
        answers = self.answers(qa, place, paragraph, shift, bool(aliases))
        if None not in (identity, question, context):
            self.questions.append(
                Question(
                    id=identity,
                    question=question,
                    context=context,
                    answers=tuple(answers),
                    aliases=aliases,
                    place=self.problems.place(place),
                )
            )

    def aliases(self, qa, place):
        if not isinstance(qa, dict) or "aliases" not in qa:
            return ()
        found = self.get(qa, "aliases", list, place) or []
        wrong = [i for i, alias in enumerate(found) if type(alias) is not str]
        for i in wrong:
            self.problems.add(f"{place}.aliases[{i}]", "must be a string.")
        return () if wrong else tuple(found)

    def answers(self, qa, place, paragraph, shift, has_aliases):
        if not isinstance(qa, dict):
            return []
        impossible = False
        if "is_impossible" in qa:
            impossible = self.get(qa, "is_impossible", bool, place)
        if self.unanswered == "any" and "answers" not in qa:
            return []
        answers, count = [], 0
        for answer, at in self.items(qa, "answers", place):
            count += 1
            text = self.get(answer, "text", str, at)
            start = self.get(answer, "answer_start", int, at)
            if None in (text, start, paragraph):
                continue
            if self.stands(text, start, paragraph, at):
                answers.append(Answer(text, start + shift))
        if impossible and count:
            self.problems.add(
                place, f"is_impossible is true, and there are {count} answers."
            )
        may_be_empty = impossible or has_aliases or self.unanswered == "any"
        if not count and not may_be_empty and type(qa.get("answers")) is list:
            self.problems.add(
                f"{place}.answers",
                "there is no answer. SQuAD 2.0 marks such a question with "
                '"is_impossible": true.',
            )
        return answers

    def stands(self, text, start, paragraph, place):
        """Whether an answer stands where it should; notes if it does not."""
        if not text.strip():
            self.problems.add(f"{place}.text", "the answer is empty.")
            return False
        if start >= 0 and paragraph.startswith(text, start):
            return True
        end = start + len(text)
        there = paragraph[max(start, 0) : max(end, 0)]
        elsewhere = paragraph.find(text)
        hint = (
            f"It stands at {elsewhere}."
            if elsewhere >= 0
            else "It is nowhere in the context."
        )
        instead = (
            f"{_short(there)} stands there" if there else "nothing is there"
        )
        self.problems.add(
            f"{place}.answer_start",
            f"the answer {_short(text)} is not at character {start} of the "
            f"context: {instead}. {hint}",
        )
        return False

    def get(self, holder, name, kind, place):
        """Returns `holder[name]`, or `None` and notes what is wrong."""
        if not isinstance(holder, dict):
            self.problems.add(
                place, f"must be an object, and is {_kind(holder)}."
            )
            return None
        if name not in holder:
            self.problems.add(place, f"has no {name!r}.")
            return None
        value = holder[name]
        if type(value) is not kind:
            self.problems.add(
                f"{place}.{name}".lstrip("."),
                f"must be {_JSON_NAMES[kind]}, and is {_kind(value)}.",
            )
            return None
        return value

    def items(self, holder, name, place):
        """Yields the items of a list with their places."""
        at = f"{place}.{name}".lstrip(".")
        for i, item in enumerate(self.get(holder, name, list, place) or []):
            yield item, f"{at}[{i}]"


def _kind(value):
    return _JSON_NAMES.get(type(value), type(value).__name__)


def _short(text, longest=40):
    return repr(text if len(text) <= longest else f"{text[:longest]}...")
