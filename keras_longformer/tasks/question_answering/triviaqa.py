"""Questions of TriviaQA as questions with contexts and answers.

Where in its documents the answers stand TriviaQA does not say: they are looked
for, in normal forms.
"""

import json
import os
import re
import sys
import unicodedata

from keras_longformer.unfinished import write_text

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-")
_QUOTES = dict.fromkeys(map(ord, "‘’´`ʼ"), "'") | dict.fromkeys(
    map(ord, "“”„«»"), '"'
)
_PLAIN = _DASHES | _QUOTES
BETWEEN_DOCUMENTS = "\n\n"
ROWS = ("questions", "documents")


def normal_form(text: str) -> tuple[str, list[int]]:
    """Returns a text's normal form, and where its characters are from.

    Returns:
        str, and of each of its characters the index, in `text`, of the one it
        came from; with one more at the end, `len(text)`.
    """
    characters, origins = [], []
    begin = 0
    while begin < len(text):
        end = begin + 1
        # A letter and the accents after it are one character.
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        form = unicodedata.normalize("NFKC", text[begin:end])
        for character in form.translate(_PLAIN).lower():
            if character.isspace():
                if not characters or characters[-1] == " ":
                    continue
                character = " "
            characters.append(character)
            origins.append(begin)
        begin = end
    return "".join(characters), [*origins, len(text)]


def find_answers(text: str, aliases: list[str]) -> list[dict]:
    """Returns all places where an alias stands as whole words.

    Args:
        text: str.
        aliases: list of str, of one answer.

    Returns:
        List of `{"text", "answer_start"}` in the order of the text. Of answers
        that begin alike, the longest.
    """
    wanted = {normal_form(alias)[0].strip() for alias in aliases} - {""}
    if not wanted:
        return []
    longest_first = sorted(wanted, key=lambda alias: (-len(alias), alias))
    pattern = re.compile(
        # Looks ahead, so that answers within answers are found too.
        rf"(?<!\w)(?=({'|'.join(map(re.escape, longest_first))})(?!\w))"
    )
    form, origins = normal_form(text)
    answers = []
    for match in pattern.finditer(form):
        start, end = match.span(1)
        first = origins[start]
        after = origins[end]
        while after > first and text[after - 1].isspace():
            after -= 1
        answers.append({"text": text[first:after], "answer_start": first})
    return answers


def cut_to_words(text: str, words: int) -> str:
    """Returns the beginning of a text that holds so many words."""
    for count, match in enumerate(re.finditer(r"\S+", text), 1):
        if count == words:
            return text[: match.end()]
    return text.rstrip()


class Converter:
    """Converts questions, and counts what could not be used.

    Args:
        wikipedia, web: str, folders of documents, or `None`.
        words: int, the most words of a context.
        rows: str, one of `ROWS`.
        keep_unanswered: bool, whether questions without an answer in their
            context stay.
    """

    def __init__(self, wikipedia, web, words, rows, keep_unanswered):
        self.folders = {"EntityPages": wikipedia, "SearchResults": web}
        self.words = words
        self.rows = rows
        self.keep_unanswered = keep_unanswered
        self.missing = []
        self.counts = {
            "questions": 0,
            "rows": 0,
            "answers": 0,
            "without_documents": 0,
            "without_answer": 0,
        }

    def articles(self, question: dict) -> list[dict]:
        """Returns one article of SQuAD's layout for each row of a question."""
        self.counts["questions"] += 1
        documents = self._documents(question)
        if not documents:
            self.counts["without_documents"] += 1
            return []
        identity = question["QuestionId"]
        if self.rows == "documents":
            parts = [(f"{identity}--{name}", text) for name, text in documents]
        else:
            texts = [text for _, text in documents]
            parts = [(identity, BETWEEN_DOCUMENTS.join(texts))]
        aliases = _aliases(question)
        articles = []
        for row, text in parts:
            context = cut_to_words(text, self.words)
            answers = find_answers(context, aliases)
            if not answers:
                self.counts["without_answer"] += 1
                if not self.keep_unanswered:
                    continue
            self.counts["rows"] += 1
            self.counts["answers"] += len(answers)
            qa = {
                "id": row,
                "qid": identity,
                "question": question["Question"],
                "answers": answers,
                "aliases": aliases,
            }
            paragraph = {"context": context, "qas": [qa]}
            articles.append({"title": identity, "paragraphs": [paragraph]})
        return articles

    def _documents(self, question):
        found = []
        for kind, folder in self.folders.items():
            if folder is None:
                continue
            for page in question.get(kind, []):
                path = os.path.join(folder, page["Filename"])
                try:
                    with open(path, encoding="utf-8") as file:
                        text = file.read()
                except FileNotFoundError:
                    self.missing.append(path)
                    continue
                if text.strip():
                    found.append((page["Filename"], text.strip()))
        return found


def _aliases(question):
    """All ways to write the answer: none in a test file."""
    answer = question.get("Answer", {})
    names = [answer.get("Value"), *answer.get("Aliases", [])]
    names += answer.get("NormalizedAliases", []) + answer.get(
        "HumanAnswers", []
    )
    return list(dict.fromkeys(name for name in names if name))


def convert(
    questions: str,
    output: str,
    *,
    wikipedia: str | None = None,
    web: str | None = None,
    words: int = 4096,
    rows: str = "questions",
) -> dict[str, int]:
    """Converts a file of questions.

    Returns:
        Counts of questions, rows, answers and what was left out.

    Raises:
        ValueError: the file is not TriviaQA's, or nothing of it can be used.
        OSError: it cannot be read.
    """
    with open(questions, encoding="utf-8") as file:
        try:
            document = json.load(file)
            items = document["Data"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"'{questions}' is not one of TriviaQA's files of questions: "
                f"{type(error).__name__}: {error}."
            ) from error
    is_train = document.get("Split") == "train"
    converter = Converter(wikipedia, web, words, rows, not is_train)
    articles = [a for item in items for a in converter.articles(item)]
    if converter.missing:
        print(
            f"{len(converter.missing):,} documents are missing, such as "
            f"{converter.missing[0]}",
            file=sys.stderr,
        )
    if not articles:
        raise ValueError(
            f"Nothing of '{questions}' can be used: {converter.counts}. Are "
            "--wikipedia and --web the folders of its evidence?"
        )
    write_text(output, json.dumps({"version": "1.1", "data": articles}))
    return converter.counts
