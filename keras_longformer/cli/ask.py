"""Asks a TF Serving server about texts.

    keras-longformer ask --server localhost:8501 --model reviews review.txt
    keras-longformer ask --model answers --question "Who?" document.txt
    keras-longformer ask --model reviews --status
    keras-longformer ask --server https://host:8500 --protocol grpc --model m <t

Reads one text from each file, or one from each line of standard input, and
writes one line of JSON for each, such as
    {"class_index": 1, "logits": [-0.9, 1.2], "probabilities": [0.11, 0.89]}
--question asks a model that answers questions about each text. With --status,
the model's versions and their states are written instead.
"""

import argparse
import json
import pathlib
import sys

SUMMARY = "ask a TF Serving server about texts"


def add_arguments(
    parser: argparse.ArgumentParser, arguments: list[str]
) -> None:
    """Adds this command's arguments."""
    parser.add_argument(
        "--server",
        default="localhost:8501",
        metavar="HOST:PORT",
        help="https://host:port speaks TLS (default: %(default)s)",
    )
    parser.add_argument("--model", required=True, metavar="NAME")
    parser.add_argument("--protocol", default="rest", choices=["rest", "grpc"])
    parser.add_argument("--signature", default="serving_default")
    parser.add_argument("--version", type=int, metavar="N")
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS"
    )
    parser.add_argument("--retries", type=int, default=4, metavar="N")
    parser.add_argument("--status", action="store_true")
    parser.add_argument("--root-certificates", metavar="PEM")
    parser.add_argument(
        "--client-certificate", metavar="PEM", help="with --client-key"
    )
    parser.add_argument("--client-key", metavar="PEM")
    parser.add_argument("--server-name", metavar="NAME")
    parser.add_argument("--question")
    parser.add_argument(
        "--json",
        action="store_true",
        help="one line for all answers, a list, instead of a line for each",
    )
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.set_defaults(error=parser.error)


def run(given: dict) -> int:
    """Runs the command."""
    from keras_longformer.client.client import ServingClient

    pair = given["client_certificate"], given["client_key"]
    if (pair[0] is None) != (pair[1] is None):
        given["error"]("--client-certificate and --client-key go together")
    client = ServingClient(
        given["server"],
        given["model"],
        protocol=given["protocol"],
        version=given["version"],
        timeout_seconds=given["timeout"],
        retries=given["retries"],
        root_certificates=given["root_certificates"],
        client_certificate=pair if all(pair) else None,
        server_name=given["server_name"],
    )
    with client:
        if given["status"]:
            rows = [
                {"version": version, "state": state}
                for version, state in client.status()
            ]
        else:
            rows = _answers(client, given)
    if given["json"]:
        print(json.dumps(rows, ensure_ascii=False))
    else:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
    return 0


def _answers(client, given):
    texts = _texts(given["files"])
    if given["question"] is not None:
        questions = [given["question"]] * len(texts)
        texts = {"question": questions, "context": texts}
    outputs = client.predict(texts, signature=given["signature"])
    return [
        dict(zip(outputs, map(_plain, row))) for row in zip(*outputs.values())
    ]


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
