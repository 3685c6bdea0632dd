"""The checks of test_wire.py on a real server.

With `TF_SERVING_BINARY`, the path of a `tensorflow_model_server`, the test
starts it. Or a server runs already, as in

    mkdir -p reviews
    docker run -p 8500:8500 -p 8501:8501 -v "$PWD/reviews:/models/reviews" \
      -e MODEL_NAME=reviews tensorflow/serving:2.20.0 --enable_batching \
      --enable_per_model_batching_parameters
    TF_SERVING_HOST=localhost TF_SERVING_FOLDER=reviews \
      pytest tests/serving/test_real_server.py

Then `TF_SERVING_HOST` is its name or address and `TF_SERVING_FOLDER` the folder
that it serves as `reviews`, as seen from here: the test puts a version into it
and takes it away in the end.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import time

import pytest

from keras_longformer.client.client import ServingClient
from keras_longformer.client.client import ServingError

pytest.importorskip("tensorflow_serving.apis.predict_pb2")

from tests.serving.checks import check_server  # noqa: E402

SECONDS_TO_LOAD = 120


@pytest.fixture(scope="module")
def addresses(reviews):
    """host:port by protocol of a server with the model `reviews`."""
    binary = os.environ.get("TF_SERVING_BINARY")
    host = os.environ.get("TF_SERVING_HOST")
    folder = os.environ.get("TF_SERVING_FOLDER")
    if binary:
        yield from started(binary, reviews)
    elif host and folder:
        yield from published(host, pathlib.Path(folder), reviews)
    else:
        pytest.skip(
            "there is neither TF_SERVING_BINARY nor TF_SERVING_HOST with "
            "TF_SERVING_FOLDER"
        )


def started(binary, reviews):
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    process = subprocess.Popen(
        [
            binary,
            f"--port={ports[0]}",
            f"--rest_api_port={ports[1]}",
            "--model_name=reviews",
            f"--model_base_path={os.path.abspath(reviews.path)}",
            "--enable_batching",
            "--enable_per_model_batching_parameters",
        ]
    )
    try:
        addresses = {
            "grpc": f"127.0.0.1:{ports[0]}",
            "rest": f"127.0.0.1:{ports[1]}",
        }
        wait_for_version(addresses, 1, process)
        yield addresses
    finally:
        process.kill()
        process.wait()


def published(host, folder, reviews):
    numbers = [int(x.name) for x in folder.iterdir() if x.name.isdigit()]
    number = 1 + max(numbers, default=0)
    copy = shutil.copytree(reviews.folder, folder / f".copying-{number}")
    version = copy.rename(folder / str(number))
    try:
        addresses = {"grpc": f"{host}:8500", "rest": f"{host}:8501"}
        wait_for_version(addresses, number)
        yield addresses
    finally:
        shutil.rmtree(version)


def wait_for_version(addresses, number, process=None):
    deadline = time.monotonic() + SECONDS_TO_LOAD
    for protocol, address in addresses.items():
        with ServingClient(
            address, "reviews", protocol=protocol, retries=0
        ) as client:
            said = None
            while said is None or said[-1] != (number, "AVAILABLE"):
                assert process is None or process.poll() is None, "it ended"
                assert time.monotonic() < deadline, (address, said)
                time.sleep(0.5)
                try:
                    said = client.status() or None
                except ServingError as error:
                    said = [str(error)]


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_real_server(addresses, reviews_answers, protocol):
    check_server(addresses, protocol, reviews_answers)
