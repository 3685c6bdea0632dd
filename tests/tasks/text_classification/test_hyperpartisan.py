"""Hyperpartisan's XML: articles and ground truth, matched by id."""

import pytest

from keras_longformer.data.problems import DataError
from keras_longformer.tasks.text_classification.hyperpartisan import (
    read_hyperpartisan,
)
from keras_longformer.tasks.text_classification.hyperpartisan import (
    truth_beside,
)

ARTICLES = """<?xml version="1.0" encoding="UTF-8"?>
<articles>
<article id="01" published-at="2017-01-01" title="A &amp; B"><p>One
   two <a href="x">three</a>.</p><p>Four</p></article>
<article id="02" title=""><p>Five</p></article>
</articles>
"""
TRUTH = """<articles>
<article id="02" hyperpartisan="false" url="u" labeled-by="article"/>
<article id="01" hyperpartisan="true" url="u" labeled-by="article"/>
</articles>
"""


def write(path, articles=ARTICLES, truth=TRUTH):
    (path / "articles-x.xml").write_text(articles, encoding="utf-8")
    (path / "ground-truth-x.xml").write_text(truth, encoding="utf-8")
    return str(path / "articles-x.xml")


def problems(path):
    with pytest.raises(DataError) as error:
        read_hyperpartisan(path)
    folder = path.removesuffix("articles-x.xml")
    return [str(p).replace(folder, "") for p in error.value.problems]


def test_reads_articles_with_their_labels(tmp_path):
    first, second = read_hyperpartisan(write(tmp_path))
    assert first.text == "A & B\nOne two three.\nFour"
    assert (first.id, first.label) == ("01", "true")
    assert (second.text, second.label) == ("Five", "false")
    assert second.place.endswith("articles-x.xml:5")


def test_the_ground_truth_may_be_elsewhere(tmp_path):
    path = write(tmp_path)
    truth = tmp_path / "elsewhere.xml"
    (tmp_path / "ground-truth-x.xml").rename(truth)
    assert len(read_hyperpartisan(path, str(truth))) == 2
    with pytest.raises(ValueError, match="is named `articles"):
        truth_beside("training.xml")


def test_lists_all_problems(tmp_path):
    articles = ARTICLES.replace("<p>Five</p>", " <p> </p>").replace(
        "</articles>",
        '<article id="02"><p>x</p></article>\n'
        '<article><p>y</p></article>\n<article id="5"><p>z</p></article>\n'
        "</articles>",
    )
    truth = TRUTH.replace('"true"', '"yes"').replace(
        "</articles>", '<article id="9" hyperpartisan="true"/></articles>'
    )
    found = problems(write(tmp_path, articles, truth))
    assert found == [
        "articles-x.xml:6: '02' is the id of line 5 too.",
        "articles-x.xml:7: the article has no id.",
        "articles-x.xml:5: the article '02' is empty.",
        "articles-x.xml:7: the article None is not in ground-truth-x.xml.",
        "articles-x.xml:8: the article '5' is not in ground-truth-x.xml.",
        "ground-truth-x.xml:3: hyperpartisan must be 'true' or 'false', and "
        "is 'yes'.",
        "ground-truth-x.xml:4: the article '9' is not in articles-x.xml.",
    ]


def test_broken_xml_has_its_line(tmp_path):
    (problem,) = problems(write(tmp_path, ARTICLES.replace("</a>", "")))
    assert problem.startswith("articles-x.xml:4: not XML: mismatched tag")
