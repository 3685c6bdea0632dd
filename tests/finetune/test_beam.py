"""Beam's RunInference says what the exported model says."""

import importlib.util
import json

import keras
import pytest

from tests.serving import exports
from tests.tasks import small

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("apache_beam") is None,
        reason="there is no apache-beam: the extra `beam`",
    ),
    # Beam's own, and of what it imports.
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::FutureWarning"
    ),
]
ELEMENTS = [
    {"text": small.TEXTS[1]},
    {"text": exports.HOSTILE},
    {"body": "no text"},
    {"text": 7},
    "no dict",
    {"text": small.TEXTS[5]},
]


def answered(results):
    return [(result.example, result.inference) for result in results]


def check(said, reviews):
    """The answers of `ELEMENTS`, in order, are those of the export."""
    errors = [row["error"] for _, row in said]
    assert [example for example, _ in said] == ELEMENTS
    assert errors[0] == errors[5] == ""
    assert "more than max_text_bytes" in errors[1]
    assert "there is no 'text'. There is: 'body'" in errors[2]
    assert "must be a text, and is int" in errors[3]
    assert "an element must be a dict, and is str" in errors[4]
    logits = reviews.model.predict([small.TEXTS[1], small.TEXTS[5]], verbose=0)
    wanted = keras.ops.softmax(logits).numpy()
    for i, row in zip((0, 5), wanted, strict=True):
        got = [said[i][1]["probabilities"][name] for name in ("bad", "good")]
        assert got == pytest.approx(row.tolist(), abs=1e-5)


def test_says_what_the_export_says(reviews):
    from keras_longformer.finetune.beam import SavedModelHandler

    handler = SavedModelHandler(reviews.path, batch_size=3)
    model = handler.load_model()
    check(answered(handler.run_inference(ELEMENTS, model)), reviews)
    assert handler.get_num_bytes(ELEMENTS[:1]) == len(small.TEXTS[1])
    with pytest.raises(ValueError, match="no arguments besides"):
        list(handler.run_inference(ELEMENTS, model, {"beam": 4}))
    with pytest.raises(ValueError, match="no input question. It has: text"):
        SavedModelHandler(reviews.path, fixed={"question": "?"}).load_model()


def test_in_a_pipeline(reviews, tmp_path):
    import apache_beam as beam
    from apache_beam.ml.inference.base import RunInference
    from apache_beam.options.pipeline_options import PipelineOptions

    from keras_longformer.finetune.beam import SavedModelHandler

    options = PipelineOptions(
        [
            "--runner=apache_beam.runners.direct.direct_runner.BundleBasedDirectRunner"
        ]
    )
    with beam.Pipeline(options=options) as pipeline:
        _ = (
            pipeline
            | beam.Create(ELEMENTS)
            | RunInference(SavedModelHandler(reviews.path))
            | beam.Map(lambda x: json.dumps([x.example, x.inference]))
            | beam.io.WriteToText(str(tmp_path / "said"), num_shards=1)
        )
    (file,) = tmp_path.glob("said*")
    said = [tuple(json.loads(line)) for line in file.read_text().splitlines()]
    said.sort(key=lambda pair: ELEMENTS.index(pair[0]))
    check(said, reviews)


def test_copies_from_where_beam_reads(reviews, tmp_path, monkeypatch):
    """As if the folder were not on this machine."""
    from keras_longformer.finetune import beam

    monkeypatch.setattr(beam, "saved_model_folder", lambda path: None)
    model = beam.SavedModelHandler(reviews.folder).load_model()
    assert model.inputs == ("text",)
    ((row, error),) = beam.answers_of(model, [{"text": b"a good text"}])
    assert set(row) >= {"label", "probabilities"} and not error
    with pytest.raises(ValueError, match="no saved_model.pb"):
        beam.SavedModelHandler(str(tmp_path)).load_model()
