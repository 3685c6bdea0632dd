"""Asks a TF Serving server about texts.

Command:
    python scripts/query_server.py --server localhost:8501 --model reviews
        [--protocol rest|grpc] [--signature serving_default] [--version N]
        [--timeout 60] [--retries 4] [--status]
        [--root_certificates PEM] [--client_certificate PEM --client_key PEM]
        [--server_name NAME] [--question QUESTION] [FILE ...]

Reads one text from each file, or one from each line of standard input, and
writes one line of JSON for each. --question asks a model that answers questions
about each text. With --status, writes the model's versions and their states
instead. --server https://host:port speaks TLS.

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
    parser.add_argument("--root_certificates", metavar="PEM")
    parser.add_argument("--client_certificate", metavar="PEM")
    parser.add_argument("--client_key", metavar="PEM")
    parser.add_argument("--server_name", metavar="NAME")
    parser.add_argument("--question")
    parser.add_argument("files", nargs="*", metavar="FILE")
    chosen = parser.parse_args(arguments)
    if (chosen.client_certificate is None) != (chosen.client_key is None):
        parser.error("--client_certificate and --client_key go together")
    return chosen


def main() -> None:
    arguments = parse_arguments()
    from keras_longformer.client.client import ServingClient
    from keras_longformer.client.client import ServingError

    pair = arguments.client_certificate, arguments.client_key
    client = ServingClient(
        arguments.server,
        arguments.model,
        protocol=arguments.protocol,
        version=arguments.version,
        timeout_seconds=arguments.timeout,
        retries=arguments.retries,
        root_certificates=arguments.root_certificates,
        client_certificate=pair if all(pair) else None,
        server_name=arguments.server_name,
    )
    with client:
        try:
            if arguments.status:
                for version, state in client.status():
                    print(json.dumps({"version": version, "state": state}))
                return
            texts = _texts(arguments.files)
            if arguments.question is not None:
                questions = [arguments.question] * len(texts)
                texts = {"question": questions, "context": texts}
            outputs = client.predict(texts, signature=arguments.signature)
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
