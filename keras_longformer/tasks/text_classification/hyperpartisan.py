"""Articles and whether they are hyperpartisan, from SemEval-2019's XML."""

import os
import xml.sax

from keras_longformer.data.problems import Problems
from keras_longformer.data.problems import read_text
from keras_longformer.tasks.text_classification.data import LabelledText

LABELS = ("false", "true")
_BREAKS = ("p", "br", "q", "h1", "h2", "h3", "li")  # They end a line.


def truth_beside(path: str) -> str:
    """Returns where the ground truth of a file of articles is, by its name.

    `articles-training.xml` has `ground-truth-training.xml` beside it.

    Raises:
        ValueError: the name does not begin with `articles`.
    """
    folder, name = os.path.split(os.fspath(path))
    if not name.startswith("articles"):
        raise ValueError(
            "A file of articles is named `articles...xml`, its ground truth "
            f"`ground-truth...xml`. Received: {os.fspath(path)!r}"
        )
    return os.path.join(folder, name.replace("articles", "ground-truth", 1))


def read_hyperpartisan(path: str, truth: str | None = None):
    """Reads articles with `"true"` or `"false"` for hyperpartisan.

    The text is the title, and below it the article's, a paragraph a line,
    without tags and with single spaces.

    Args:
        path: str, XML: `<articles><article id="1" title="...">...`.
        truth: str, XML: `<articles><article id="1" hyperpartisan="true"/>`. By
            default `truth_beside(path)`.

    Returns:
        List of `LabelledText`, in the order of the articles.

    Raises:
        DataError: everything that is wrong: broken XML, empty articles,
            unknown labels, ids that come twice or in one file only.
        OSError: a file cannot be read.

    Reference: [Kiesel et al., 2019](https://aclanthology.org/S19-2145/).
    """
    truth = truth_beside(path) if truth is None else truth
    problems = Problems(path)
    truth_problems = Problems(truth)
    articles = _parse(path, problems)
    verdicts = _parse(truth, truth_problems)
    labels = {}
    for identity, line, attributes, _ in verdicts:
        label = attributes.get("hyperpartisan")
        if label not in LABELS:
            truth_problems.add(
                line,
                f"hyperpartisan must be 'true' or 'false', and is {label!r}.",
            )
        labels[identity] = label
    examples = []
    for identity, line, attributes, body in articles:
        text = "\n".join(filter(None, (attributes.get("title"), body)))
        if not body:
            problems.add(line, f"the article {identity!r} is empty.")
        if identity not in labels:
            problems.add(
                line,
                f"the article {identity!r} is not in {truth_problems.path}.",
            )
        else:
            place = problems.place(line)
            examples.append(
                LabelledText(text, labels[identity], place, identity)
            )
    there = {identity for identity, *_ in articles}
    for identity, line, *_ in verdicts:
        if identity not in there:
            truth_problems.add(
                line, f"the article {identity!r} is not in {problems.path}."
            )
    if not articles and not problems.found:
        problems.add(None, "there are no articles in the file.")
    problems.found.update(truth_problems.found)
    problems.raise_if_any()
    return examples


class _Articles(xml.sax.ContentHandler):
    """Collects `(id, line, attributes, text)` of each article."""

    def __init__(self, problems):
        super().__init__()
        self.problems = problems
        self.articles = []
        self.lines = {}  # Of ids.
        self.parts = None

    def setDocumentLocator(self, locator):  # noqa: N802, its name in xml.sax
        self.locator = locator

    def startElement(self, name, attrs):  # noqa: N802
        if name in _BREAKS and self.parts is not None:
            self.parts.append("\n")
        if name != "article":
            return
        line = self.locator.getLineNumber()
        identity = attrs.get("id")
        if identity is None:
            self.problems.add(line, "the article has no id.")
        elif identity in self.lines:
            self.problems.add(
                line,
                f"{identity!r} is the id of line {self.lines[identity]} too.",
            )
        self.lines.setdefault(identity, line)
        self.start = (identity, line, dict(attrs))
        self.parts = []

    def characters(self, content):
        if self.parts is not None:
            # Line ends in the file are only spaces in the text.
            self.parts.append(content.replace("\n", " "))

    def endElement(self, name):  # noqa: N802
        if name in _BREAKS and self.parts is not None:
            self.parts.append("\n")
        if name == "article":
            lines = "".join(self.parts).split("\n")
            lines = [" ".join(line.split()) for line in lines]
            self.articles.append(
                (*self.start, "\n".join(line for line in lines if line))
            )
            self.parts = None


def _parse(path, problems):
    text = read_text(path)
    handler = _Articles(problems)
    try:
        xml.sax.parseString(text.encode("utf-8"), handler)
    except xml.sax.SAXParseException as error:
        problems.add(
            error.getLineNumber(),
            f"not XML: {error.getMessage()}, at column "
            f"{error.getColumnNumber() + 1}.",
        )
        problems.raise_if_any()
    return handler.articles
