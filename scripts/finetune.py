"""Fine-tunes a Longformer on a file of data, measures it and exports it.

Command:
    python scripts/finetune.py --task TASK --train FILE --validation FILE
        --preset PATH_OR_HANDLE --output FOLDER [--test FILE] [--export] ...

Tasks, their files and the metric that chooses the best epoch:
    question_answering   SQuAD's JSON (SQuAD 1.1 and 2.0, XQuAD, TriviaQA from
                         prepare_triviaqa.py)                     F1
    text_classification  .jsonl, .csv, .tsv; Hyperpartisan's XML  accuracy
    multi_label          .jsonl, .csv, .tsv, several labels       micro F1
    regression           .jsonl, .csv, .tsv, a number             Pearson's r
    token_classification CoNLL's columns                          entities' F1
    multiple_choice      .jsonl, .csv, .tsv                       accuracy

All files are checked first, and all that is wrong with them is listed, with
files and lines. Then: training with Keras' `fit`, a measurement after each
epoch, an end when nothing improves. Into FOLDER go `metrics.json`,
`predictions.jsonl`, `report.md`, `report.png`, `model/` (for `from_preset`),
`tensorboard/` (`tensorboard --logdir FOLDER/tensorboard`), `state/` to go on
from and, with --export, `saved_model/1` for TF Serving.

A training that was stopped, by whatever, goes on with --resume and ends with
the very weights it would have had.

Time and memory depend on the model: on a CPU, roberta-base at 4,096 tokens
needs more than 6 GiB and many seconds for each example. On a small machine,
make a small model first (bash scripts/quickstart.sh), and
    --preset saved_models/quickstart/longformer --learning-rate 5e-4
        --max-sequence-length 512 --limit 200 --minutes 10
"""

import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    from finetune.arguments import parse_arguments

    settings, resume = parse_arguments(description=__doc__)
    # TensorFlow takes seconds to import, and `--help` does not need it.
    from finetune import pipeline

    try:
        outcome = pipeline.run(settings, resume)
    except (ImportError, OSError, ValueError) as error:
        sys.exit(f"finetune: {error}")
    for name, value in outcome.metrics.items():
        print(f"{name:24}{value:10.4g}")
    print(f"The report: {os.path.join(settings.output, 'report.md')}")


if __name__ == "__main__":
    main()
