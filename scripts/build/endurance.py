"""Runs models for minutes, in threads and processes, and watches the memory.

Command:
    python scripts/build/endurance.py [--minutes 5] [--threads 16]
        [--swaps 100] [--pause 0] [--folder FOLDER]

Exports a small text classifier and then, for the time that is given,

- asks the loaded SavedModel from many threads at once, texts of mixed lengths,
  with a pause of so many seconds after each answer;
- asks the Keras model's `predict` in turn with them;
- swaps the SavedModel for a newly loaded one, evenly over the time;
- sends requests that are refused, of no dtype and of too many tokens, and texts
  of bytes that are no UTF-8.

Each answer is compared with the one that the same text had at first. Before
that, processes that are spawned and forked load the export and answer; a forked
one is told of alone: TensorFlow does not promise to work after a fork.

Prints a table in Markdown: what was asked, how often a graph was traced anew,
and the memory at ten times. Ends with code 1 for an answer that differs, a new
trace, a process that fails, or more than 5 % and 100 MB of memory gained in the
second half.
"""

import argparse
import concurrent.futures
import gc
import multiprocessing
import os
import pathlib
import sys
import tempfile
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

LENGTHS = (0, 1, 7, 30, 60, 100, 130, 250, 400, 480)
TOLERANCE = 1e-4


def texts():
    return [("a text, é and 日本 " * 60)[:length] for length in LENGTHS]


def make(folder):
    """Returns a classifier, and the folder of its export."""
    import keras_longformer as klf
    from keras_longformer.tokenizers.byte_pair.vocabulary import byte_alphabet

    names = ["<s>", "<pad>", "</s>", "<unk>", *byte_alphabet(), "<mask>"]
    tokenizer = klf.LongformerTokenizer(
        {name: i for i, name in enumerate(names)}, []
    )
    backbone = klf.LongformerBackbone(
        vocabulary_size=len(names),
        num_layers=2,
        num_heads=2,
        hidden_dim=32,
        intermediate_dim=64,
        window_size=32,
        max_sequence_length=512,
        max_global_tokens=1,
    )
    preprocessor = klf.LongformerTextClassifierPreprocessor(
        tokenizer, sequence_length=512
    )
    model = klf.LongformerTextClassifier(
        backbone, num_classes=3, preprocessor=preprocessor
    )
    klf.export_saved_model(model, str(folder))
    return model, str(pathlib.Path(folder, "1"))


def opened(folder):
    """Returns a function of texts, of a SavedModel that is loaded now."""
    import tensorflow as tf

    loaded = tf.saved_model.load(folder)
    signature = loaded.signatures["serving_default"]
    (name,) = signature.structured_input_signature[1]

    def ask(batch):
        answer = signature(**{name: tf.constant(batch, tf.string)})
        return answer["probabilities"].numpy()

    ask.loaded = loaded  # It lives as long as what asks it.
    return ask


def in_a_process(folder, queue):
    queue.put(opened(folder)(texts()).tolist())


def processes(folder, wanted):
    """Returns what became of a spawned and of a forked process."""
    import numpy as np

    found = {}
    for way in ("spawn", "fork"):
        context = multiprocessing.get_context(way)
        queue = context.Queue()
        child = context.Process(target=in_a_process, args=(folder, queue))
        child.start()
        try:
            got = queue.get(timeout=90)
        except Exception as error:
            found[way] = f"no answer: {type(error).__name__}"
        else:
            same = np.allclose(got, wanted, atol=TOLERANCE)
            found[way] = "the same answers" if same else "other answers"
        child.join(20)
        if child.is_alive():
            child.kill()
            found[way] += ", did not end"
    return found


class Run:
    """Counts, from all threads."""

    def __init__(self, model, folder, probabilities, logits, pause):
        self.model, self.folder, self.pause = model, folder, pause
        self.wanted = {"served": probabilities, "predicted": logits}
        self.ask = opened(folder)
        self.lock = threading.Lock()
        self.counts = dict.fromkeys(
            ("served", "predicted", "refused", "swaps", "wrong"), 0
        )
        self.memory = []
        self.end = None

    def count(self, name, number=1):
        with self.lock:
            self.counts[name] += number

    def check(self, got, row, name):
        import numpy as np

        same = np.allclose(got, self.wanted[name][row], atol=TOLERANCE)
        self.count(name if same else "wrong")

    def serve(self, seed):
        """Asks until the time is over."""
        import numpy as np
        import tensorflow as tf

        generator = np.random.default_rng(seed)
        while time.monotonic() < self.end:
            time.sleep(self.pause)
            row = int(generator.integers(len(LENGTHS)))
            self.check(self.ask([texts()[row]])[0], row, "served")
            if generator.random() < 0.1:
                self.ask([generator.bytes(300)])
                try:
                    signature = self.ask.loaded.signatures["serving_default"]
                    signature(tf.constant([7]))
                except (TypeError, ValueError, tf.errors.OpError):
                    self.count("refused")

    def predict(self):
        for row, text in enumerate(texts()):
            got = self.model.predict([text], verbose=0)[0]
            self.check(got, row, "predicted")


def resident_bytes():
    status = pathlib.Path("/proc/self/status").read_text("utf-8")
    line = next(x for x in status.splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) << 10


def traces(model):
    return model.predict_function.experimental_get_tracing_count()


def watch(run, minutes, threads, swaps):
    """Runs all of it; returns how many traces were new."""
    run.predict()  # Traces what there is to trace.
    before = traces(run.model)
    begin = time.monotonic()
    run.end = begin + 60 * minutes
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(run.serve, seed) for seed in range(threads)]
        while time.monotonic() < run.end:
            run.predict()
            time.sleep(run.pause)
            passed = (time.monotonic() - begin) / (60 * minutes)
            if run.counts["swaps"] < swaps * passed:
                run.ask = opened(run.folder)
                run.count("swaps")
                gc.collect()
            if len(run.memory) < 10 * passed:
                run.memory.append(resident_bytes())
        for job in jobs:
            job.result()
    run.memory.append(resident_bytes())
    return traces(run.model) - before


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--folder")
    arguments = parser.parse_args()
    import keras

    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or os.path.join(temporary, "model")
        model, version = make(folder)
        logits = model.predict(texts(), verbose=0)
        wanted = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
        found = processes(version, wanted)
        run = Run(model, version, wanted, logits, arguments.pause)
        new = watch(run, arguments.minutes, arguments.threads, arguments.swaps)
    megabytes = [size >> 20 for size in run.memory]
    print("| what | found |\n|---|---|")
    for way, said in found.items():
        print(f"| a process by {way} | {said} |")
    for name, number in run.counts.items():
        print(f"| {name} | {number:,} |")
    print(f"| new traces | {new} |")
    print(f"| memory, MB | {', '.join(map(str, megabytes))} |")
    half = megabytes[len(megabytes) // 2 :]
    gained = half[-1] - half[0]
    failed = run.counts["wrong"] or new
    failed = failed or (gained > 100 and gained > 0.05 * half[0])
    failed = failed or found["spawn"] != "the same answers"
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
