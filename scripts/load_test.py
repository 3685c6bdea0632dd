"""Loads an exported model with requests, kills its server, and compares all.

Command:
    python scripts/load_test.py [--seconds 15] [--output saved_models/load_test]
        [--protocol grpc|rest] [--clients 4]

Exports a small classifier for 4,096 tokens, serves it on loopback with the
stand-in server of the tests (the real one cannot be installed by pip) with
batching, and sends texts of 100 to 4,000 tokens: closed loop, open loop at 60 %
of what that gave, while a new version is published, while the server is killed
and started again, and while hostile requests come in. Every answer is compared
with the SavedModel's own.

Time and memory: about 3 minutes and 3 GB on 2 cores, with --seconds 15.

Expected result: `load_test.md` and `load_test.png`; no wrong and no lost
answer, first requests about as quick as later ones, memory flat. Exits with 1
where an answer was wrong or lost.
"""

import argparse
import os
import pathlib
import random
import shutil
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import numpy as np

NAME = "load"
BUCKETS = [256, 512, 1024, 2048, 4096]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="load_test",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--output", default="saved_models/load_test")
    parser.add_argument("--protocol", default="grpc", choices=["grpc", "rest"])
    parser.add_argument("--clients", type=int, default=4)
    return parser.parse_args(arguments)


def make_model(path: str) -> str:
    """Exports a classifier with random weights; returns its version."""
    import keras

    import keras_longformer as klf
    from tests.models import small

    keras.utils.set_random_seed(0)
    tokenizer = small.make_tokenizer()
    backbone = klf.LongformerBackbone(
        vocabulary_size=tokenizer.vocabulary_size(),
        num_layers=2,
        num_heads=4,
        hidden_dim=128,
        intermediate_dim=512,
        window_size=512,
        max_sequence_length=4096,
        max_global_tokens=1,
        pooler=False,
    )
    classifier = klf.LongformerTextClassifier(
        backbone,
        num_classes=3,
        preprocessor=klf.LongformerTextClassifierPreprocessor(
            tokenizer, sequence_length=4096
        ),
    )
    return klf.export_saved_model(
        classifier,
        path,
        buckets=BUCKETS,
        bad_texts="report",
        class_names=["bad", "fair", "good"],
    )


def make_texts(version: str, count: int = 60) -> list:
    """Texts of 100 to 4,000 tokens, as many short as long, with answers."""
    import tensorflow as tf

    from scripts.load_test.load import Text
    from tests.models import small

    tokenizer = small.make_tokenizer()
    loaded = tf.saved_model.load(version)
    call = loaded.signatures["serving_default"]
    chooser = random.Random(3)
    texts = []
    for length in np.geomspace(100, 4000, count).astype(int):
        words = [
            "".join(chooser.choices("aeghinrst", k=chooser.randint(1, 9)))
            for _ in range(length)
        ]
        text = " ".join(words)[:length]
        tokens = len(tokenizer.tokenize(text)) + 2
        answer = call(text=tf.constant([text]))
        answer = {name: x.numpy() for name, x in answer.items()}
        bucket = next(b for b in BUCKETS if b >= tokens)
        texts.append(Text(text, bucket, answer))
    return texts


def first_and_steady(clients, texts, rounds: int = 15) -> dict:
    """By bucket, seconds of the first request and the median of the rest."""
    from keras_longformer.serving.client import ServingError

    chosen = {text.bucket: text for text in texts}
    seconds = {bucket: [] for bucket in chosen}
    with clients.make() as client:
        try:  # Connects, and runs nothing on the server.
            client.predict(["good"], signature="none")
        except ServingError:
            pass
        for _ in range(rounds):
            for bucket, text in sorted(chosen.items()):
                started = time.perf_counter()
                client.predict([text.text])
                seconds[bucket].append(time.perf_counter() - started)
    return {
        bucket: (values[0], float(np.median(values[1:])))
        for bucket, values in sorted(seconds.items())
    }


def publish_again(version: str) -> None:
    """Copies a version under a temporary name and renames it to the next."""
    path = pathlib.Path(version).parent
    copy = shutil.copytree(version, path / ".copying")
    os.rename(copy, path / str(int(pathlib.Path(version).name) + 1))


def run(arguments: argparse.Namespace) -> bool:
    from scripts.load_test import hostile
    from scripts.load_test import report
    from scripts.load_test.load import Clients
    from scripts.load_test.server import Server

    output = pathlib.Path(arguments.output)
    shutil.rmtree(output / NAME, ignore_errors=True)
    version = make_model(str(output / NAME))
    texts = make_texts(version)
    server = Server(NAME, str((output / NAME).resolve()), 1200.0)
    server.moments = []

    def moment(name):
        print(name, flush=True)
        server.moments.append((name, time.perf_counter() - server.began))

    def address(protocol):
        return f"127.0.0.1:{server.ports[protocol]}"

    def swap():
        time.sleep(arguments.seconds / 3)
        publish_again(version)
        with clients.make() as client:
            while client.status()[-1].version != int(version[-1]) + 1:
                time.sleep(0.1)

    def kill():
        time.sleep(arguments.seconds / 3)
        server.kill_and_restart()

    came = {}

    def attack():
        started = time.perf_counter()
        while time.perf_counter() < started + arguments.seconds:
            for protocol in ("rest", "grpc"):
                others = Clients(address(protocol), NAME, protocol, texts)
                with others.make() as client:
                    came[protocol] = hostile.send_all(client)

    protocol = arguments.protocol
    clients = Clients(
        address(protocol), NAME, protocol, texts, arguments.clients
    )
    try:
        moment("one client")
        first = first_and_steady(clients, texts)
        moment("closed loop")
        results = [clients.closed("closed loop", arguments.seconds)]
        moment("open loop")
        rate = 0.6 * results[0].rate()
        results.append(clients.open("open loop", arguments.seconds, rate))
        moment("hostile requests")
        results.append(
            clients.closed("hostile requests", arguments.seconds, attack)
        )
        moment("closed loop again")
        results.append(clients.closed("closed again", arguments.seconds))
        moment("version swap")
        results.append(clients.closed("version swap", arguments.seconds, swap))
        moment("kill and restart")
        results.append(
            clients.closed("kill and restart", arguments.seconds, kill)
        )
    finally:
        server.close()
    text = report.describe(
        results, BUCKETS, first, came, memory_by_moment(server)
    )
    (output / "load_test.md").write_text(text, encoding="utf-8")
    report.draw(str(output / "load_test.png"), results, BUCKETS, server)
    print(text)
    faults = [x for result in results for x in result.wrong + result.lost]
    faults += [x for o in came.values() for x in o.values() if "WRONG" in x]
    for fault in faults[:10]:
        print(fault[:500], file=sys.stderr)
    return not faults


def memory_by_moment(server) -> dict[str, float]:
    """Median resident MB in the last 3 seconds of each phase."""
    ends = [when for _, when in server.moments[1:]]
    ends.append(server.memory[-1][0])
    memory = {}
    for (name, _), end in zip(server.moments, ends):
        values = [mb for when, mb in server.memory if end - 3 < when <= end]
        memory[name] = float(np.median(values or [np.nan]))
    return memory


if __name__ == "__main__":
    raise SystemExit(0 if run(parse_arguments()) else 1)
