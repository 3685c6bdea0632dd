"""Answers about collections of texts, as a step of Apache Beam pipelines.

`keras-longformer predict` for what is beyond one machine: any runner, with the
graph that TF Serving would run. The extra `beam` has the package.
"""

import os
import tempfile
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from keras_longformer.finetune.prediction import Predictor
from keras_longformer.finetune.prediction import answers_of
from keras_longformer.finetune.prediction import open_predictor
from keras_longformer.finetune.prediction import saved_model_folder
from keras_longformer.finetune.texts import Text
from keras_longformer.finetune.texts import inputs_of

try:
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.ml.inference.base import ModelHandler
    from apache_beam.ml.inference.base import PredictionResult
except ImportError as error:
    raise ImportError(
        "Answering by Apache Beam needs it: "
        "pip install 'keras_longformer[beam]'"
    ) from error


class SavedModelHandler(ModelHandler[Mapping, PredictionResult, Predictor]):
    """Beam's `RunInference` over a model that `export_saved_model` wrote.

    Elements are dicts of the model's inputs: `{"text": "..."}`, or
    `{"question": "...", "context": "..."}`. The `inference` of a result is a
    dict with the columns of `keras-longformer predict`, and `"error"`: why the
    text could not be answered, else `""`. One bad text spoils no other.

    For elements with keys, wrap it in Beam's `KeyedModelHandler`.

    Args:
        folder: str, a SavedModel or the folder of its versions, of which the
            highest is taken; on this machine, or where Beam's `FileSystems`
            reads, from which each worker copies it.
        batch_size: int, the most texts that go through the model at once.
        fixed: dict of inputs that are the same for all elements.

    Example:
    ```
    with beam.Pipeline(options=options) as pipeline:
        (pipeline
         | beam.Create([{"text": "a long document ..."}])
         | RunInference(SavedModelHandler("saved_models/reviews"))
         | beam.Map(lambda result: json.dumps(result.inference))
         | beam.io.WriteToText("said"))
    ```
    """

    def __init__(
        self,
        folder: str,
        *,
        batch_size: int = 8,
        fixed: Mapping[str, str] | None = None,
    ):
        super().__init__(min_batch_size=1, max_batch_size=batch_size)
        self.folder = os.fspath(folder)
        self.fixed = dict(fixed or {})

    def load_model(self) -> Predictor:
        """Returns what answers; once for each process of a worker.

        Raises:
            ValueError: there is no SavedModel, or it has no such input.
        """
        found = saved_model_folder(self.folder)
        if found is not None:
            predictor = open_predictor(found)
        else:
            with tempfile.TemporaryDirectory() as copy:
                _copy(self.folder, copy)
                predictor = open_predictor(copy)
        unknown = self.fixed.keys() - {*predictor.inputs}
        if unknown:
            raise ValueError(
                f"The model has no input {', '.join(sorted(unknown))}. It "
                f"has: {', '.join(predictor.inputs)}."
            )
        return predictor

    def run_inference(
        self,
        batch: Sequence[Mapping],
        model: Predictor,
        inference_args: Mapping | None = None,
    ) -> Iterable[PredictionResult]:
        """Yields a `PredictionResult` for each element of a batch."""
        if inference_args:
            raise ValueError(
                "An exported model has no arguments besides its texts. "
                f"Received: inference_args={dict(inference_args)}."
            )
        good, reasons = [], []
        for element in batch:
            reason = ""
            try:
                good.append(self._inputs(element, model.inputs))
            except ValueError as error:
                reason = str(error)
            reasons.append(reason)
        answers = iter(answers_of(model, good))
        for element, reason in zip(batch, reasons, strict=True):
            row, error = ({}, reason) if reason else next(answers)
            yield PredictionResult(
                element, {**row, "error": error}, self.folder
            )

    def get_num_bytes(self, batch: Sequence[Mapping]) -> int:
        """Returns how large a batch is, for Beam's metrics."""
        return sum(
            len(text)
            for element in batch
            if isinstance(element, Mapping)
            for text in element.values()
            if isinstance(text, str | bytes)
        )

    def get_metrics_namespace(self) -> str:
        """Returns the name under which Beam counts."""
        return "keras_longformer"

    def _inputs(self, element, names):
        if not isinstance(element, Mapping):
            raise ValueError(
                f"an element must be a dict, and is {type(element).__name__}"
            )
        text = Text("", {**self.fixed, **element})
        return inputs_of(text, names, {})


def _copy(folder, target):
    """Copies a SavedModel from one of Beam's file systems.

    Raises:
        ValueError: there is none.
    """
    root = folder.rstrip("/")
    found = FileSystems.match([f"{root}/**"])[0].metadata_list
    paths = [x.path for x in found if not x.path.endswith("/")]
    if not any(path.endswith("/saved_model.pb") for path in paths):
        raise ValueError(
            f"There is no SavedModel at '{folder}': no saved_model.pb. Name "
            "the folder that `export_saved_model` wrote."
        )
    for path in paths:
        relative = os.path.normpath(path[len(root) :].lstrip("/"))
        if relative.startswith(".."):
            raise ValueError(f"'{path}' lies outside of '{folder}'.")
        to = os.path.join(target, relative)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        with FileSystems.open(path) as source, open(to, "wb") as file:
            while block := source.read(1 << 20):
                file.write(block)
