"""Fine-tuning on documents and their summaries."""

import numpy as np
import tensorflow as tf

from keras_longformer.tasks.finetuning import FineTuning
from keras_longformer.tasks.finetuning import Option
from keras_longformer.tasks.finetuning import Outcome
from keras_longformer.tasks.finetuning import Tensors
from keras_longformer.tasks.finetuning import in_parts
from keras_longformer.tasks.pictures import BLUE
from keras_longformer.tasks.pictures import GREY
from keras_longformer.tasks.summarization import data
from keras_longformer.tasks.summarization import metrics


class SummaryFineTuning(FineTuning):
    """One summary of each document, measured by ROUGE."""

    metric = "rougeL"
    epochs = 5  # The paper's script for summaries.
    files = ".jsonl, .csv or .tsv"
    options = (
        Option("text_column", "of the documents (text)"),
        Option("summary_column", "of their summaries (summary)"),
    )

    def read(self, path, labels=None):
        metrics.check_rouge()  # Before anything is trained.
        return data.read_summaries(path, **self.given)

    def group(self, example):
        return example.text

    def open(self, preset, labels, **options):
        return self.task_cls.from_preset(preset, **options)

    def tensors(self, examples, model):
        return Tensors(
            {
                "encoder_text": tf.constant([e.text for e in examples]),
                "decoder_text": tf.constant([e.summary for e in examples]),
            },
            None,
        )

    def measure(self, model, examples, batch_size=8, progress=None):
        summaries = []
        for part in in_parts(examples, progress, size=batch_size):
            summaries += model.generate([e.text for e in part])
        golds = [e.summary for e in examples]
        words = np.array(
            [(len(a.split()), len(b.split())) for a, b in zip(golds, summaries)]
        )
        scores = metrics.rouge_scores(golds, summaries)

        def draw(figure):
            axes = figure.subplots()
            axes.scatter(*words.T, s=12, color=BLUE, alpha=0.6)
            most = words.max(initial=1)
            axes.plot([0, most], [0, most], color=GREY, linewidth=1, ls=":")
            axes.set_xlabel("words of a person's summary")
            axes.set_ylabel("words of the model's")
            axes.spines[["top", "right"]].set_visible(False)

        return Outcome(
            {**scores, "words": float(words[:, 1].mean())},
            [
                {"id": e.id or e.place, "gold": e.summary, "prediction": text}
                for e, text in zip(examples, summaries)
            ],
            draw,
        )
