"""Asks a TF Serving server about texts.

Command:
    python scripts/query_server.py --server localhost:8501 --model reviews
        [--protocol rest|grpc] [--signature serving_default] [--version N]
        [--timeout 60] [--retries 4] [--status] [FILE ...]

Reads one text from each file, or one from each line of standard input, and
writes one line of JSON for each. With --status, writes the model's versions
and their states instead.

Time and memory: what the server takes; 600 MB for TensorFlow.

Expected result: for a classifier, lines such as
    {"class_index": 1, "logits": [-0.9, 1.2], "probabilities": [0.11, 0.89]}
"""

import argparse
import json
import os
import pathlib
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="query_server",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--server", default="localhost:8501")
    parser.add_argument("--model", required=True)
    parser.add_argument("--protocol", default="rest", choices=["rest", "grpc"])
    parser.add_argument("--signature", default="serving_default")
    parser.add_argument("--version", type=int)
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--retries", type=int, default=4)
    parser.add_argument("--status", action="store_true")
    parser.add_argument("files", nargs="*", metavar="FILE")
    return parser.parse_args(arguments)


def main() -> None:
    arguments = parse_arguments()
    from keras_longformer.serving.client import ServingClient
    from keras_longformer.serving.client import ServingError

    client = ServingClient(
        arguments.server,
        arguments.model,
        protocol=arguments.protocol,
        version=arguments.version,
        timeout_seconds=arguments.timeout,
        retries=arguments.retries,
    )
    with client:
        try:
            if arguments.status:
                for version, state in client.status():
                    print(json.dumps({"version": version, "state": state}))
                return
            outputs = client.predict(
                _texts(arguments.files), signature=arguments.signature
            )
        except ServingError as error:
            raise SystemExit(f"query_server: {error}") from error
    for row in zip(*outputs.values()):
        print(json.dumps(dict(zip(outputs, map(_plain, row)))))


def _texts(files):
    if files:
        return [pathlib.Path(file).read_bytes() for file in files]
    return [line.rstrip(b"\n") for line in sys.stdin.buffer]


def _plain(value):
    """Lists, numbers and str of an array's row."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(x) for x in value]
    return value.decode() if isinstance(value, bytes) else value


if __name__ == "__main__":
    main()
