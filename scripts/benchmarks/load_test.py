"""Loads an exported model with requests, kills its server, and compares all.

Command:
    python scripts/benchmarks/load_test.py [--seconds 15]
        [--output saved_models/load_test] [--protocol grpc|rest] [--clients 4]
        [--swaps 15] [--buckets 256 ...]

Exports a small classifier for 4,096 tokens, the last of --buckets, serves it on
loopback with the stand-in server of the tests (the real one cannot be installed
by pip) with batching, and sends texts of 100 to 4,000 tokens: closed loop, open
loop at 60 % of what that gave, while hostile requests come in, while a new
version is published, and while the server is killed and started again. Every
answer is compared with the SavedModel's own. Then one version follows another,
and of each the first requests and the memory are measured.

Time and memory: about 6 minutes and 3 GB on 2 cores, with --seconds 15.

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
from collections.abc import Sequence

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import measure
import numpy as np

NAME = "load"
BUCKETS = (256, 512, 1024, 2048, 4096)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = measure.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--output", default="saved_models/load_test")
    parser.add_argument("--protocol", default="grpc", choices=["grpc", "rest"])
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--swaps", type=int, default=15)
    parser.add_argument("--buckets", type=int, nargs="+", default=[*BUCKETS])
    return parser.parse_args(arguments)


def make_tokenizer():
    """All 256 bytes, one merge and the special tokens."""
    import keras_longformer as klf

    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    characters = [chr(byte) for byte in visible]
    characters += [chr(256 + i) for i in range(256 - len(visible))]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *characters, "he", "<mask>"]
    ids = {token: i for i, token in enumerate(tokens)}
    return klf.LongformerTokenizer(ids, ["h e"])


def make_model(path: str, buckets: Sequence[int] = BUCKETS) -> str:
    """Exports a classifier with random weights; returns its version."""
    import keras

    import keras_longformer as klf

    keras.utils.set_random_seed(0)
    tokenizer = make_tokenizer()
    backbone = klf.LongformerBackbone(
        vocabulary_size=tokenizer.vocabulary_size(),
        num_layers=2,
        num_heads=4,
        hidden_dim=128,
        intermediate_dim=512,
        window_size=512,
        max_sequence_length=buckets[-1],
        max_global_tokens=1,
        pooler=False,
    )
    classifier = klf.LongformerTextClassifier(
        backbone,
        num_classes=3,
        preprocessor=klf.LongformerTextClassifierPreprocessor(
            tokenizer, sequence_length=buckets[-1]
        ),
    )
    return klf.export_saved_model(
        classifier,
        path,
        buckets=buckets,
        batch_sizes=[1, 2, 4],
        bad_texts="report",
        class_names=["bad", "fair", "good"],
    )


def make_texts(
    version: str, buckets: Sequence[int] = BUCKETS, count: int = 60
) -> list:
    """Texts of 100 to 4,000 tokens, as many short as long, with answers.

    That is for buckets from 256 to 4,096; others in proportion.
    """
    import tensorflow as tf
    from load_clients import Text

    tokenizer = make_tokenizer()
    loaded = tf.saved_model.load(version)
    call = loaded.signatures["serving_default"]
    chooser = random.Random(3)
    texts = []
    lengths = np.geomspace(buckets[0] / 2.56, buckets[-1] / 1.024, count)
    for length in lengths.astype(int):
        words = [
            "".join(chooser.choices("aeghinrst", k=chooser.randint(1, 9)))
            for _ in range(length)
        ]
        text = " ".join(words)[:length]
        tokens = len(tokenizer.tokenize(text)) + 2
        answer = call(text=tf.constant([text]))
        answer = {name: x.numpy() for name, x in answer.items()}
        bucket = next(b for b in buckets if b >= tokens)
        texts.append(Text(text, bucket, answer))
    return texts


def run(arguments: argparse.Namespace, change=lambda texts: texts):
    """Runs all phases and writes the report.

    Args:
        arguments: those of `parse_arguments`.
        change: of the list of texts, before they are asked.

    Returns:
        List of `Result`, and list of str, what was wrong or lost.
    """
    import load_report
    import load_server
    from load_clients import Clients
    from load_clients import send_hostile

    output = pathlib.Path(arguments.output)
    shutil.rmtree(output / NAME, ignore_errors=True)
    buckets = arguments.buckets
    version = make_model(str(output / NAME), buckets)
    texts = change(make_texts(version, buckets))
    server = load_server.Server(NAME, str((output / NAME).resolve()), 3600.0)

    def moment(name):
        print(name, flush=True)
        server.moments.append((name, time.perf_counter() - server.began))

    def address(protocol):
        return f"127.0.0.1:{server.ports[protocol]}"

    def swap():
        time.sleep(arguments.seconds / 3)
        with clients.make() as client:
            load_server.wait_until_alone(client, load_server.publish(version))

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
                    came[protocol] = send_hostile(client)

    protocol = arguments.protocol
    clients = Clients(
        address(protocol), NAME, protocol, texts, arguments.clients
    )
    try:
        moment("one client")
        with clients.make() as client:
            load_server.connect(client)
            after_start = load_server.first_requests(client, texts, server)
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
        moment("more swaps")
        swaps = list(
            load_server.swap_often(clients, server, version, arguments.swaps)
        )
        moment("kill and restart")
        results.append(
            clients.closed("kill and restart", arguments.seconds, kill)
        )
    finally:
        server.close()
    text = load_report.describe(
        results, buckets, after_start, swaps, came, memory_by_moment(server)
    )
    (output / "load_test.md").write_text(text, encoding="utf-8")
    load_report.draw(str(output / "load_test.png"), results, buckets, server)
    print(text)
    faults = [x for result in results for x in result.wrong + result.lost]
    faults += [x for o in came.values() for x in o.values() if "WRONG" in x]
    for fault in faults[:10]:
        print(fault[:500], file=sys.stderr)
    return results, faults


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
    raise SystemExit(1 if run(parse_arguments())[1] else 0)
