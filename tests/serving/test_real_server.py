"""The checks of test_wire.py on a real server.

`TF_SERVING_HOST` is the name or address of one that listens on 8500 and 8501
and serves the model `reviews` of conftest.py; `TF_SERVING_BINARY` the path of
a `tensorflow_model_server`.
"""

import os
import socket
import subprocess
import time

import pytest

from keras_longformer.serving.client import ServingClient
from keras_longformer.serving.client import ServingError

pytest.importorskip("tensorflow_serving.apis.predict_pb2")

from tests.serving.checks import check_server  # noqa: E402


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_real_server(reviews, reviews_answers, protocol):
    """On `TF_SERVING_HOST` or with `TF_SERVING_BINARY`."""
    host = os.environ.get("TF_SERVING_HOST")
    binary = os.environ.get("TF_SERVING_BINARY")
    if host:
        addresses = {"grpc": f"{host}:8500", "rest": f"{host}:8501"}
        check_server(addresses, protocol, reviews_answers)
        return
    if not binary:
        pytest.skip("neither TF_SERVING_HOST nor TF_SERVING_BINARY is given")
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
            f"--model_base_path={reviews.path}",
            "--enable_batching",
            "--enable_per_model_batching_parameters",
        ]
    )
    try:
        addresses = {
            "grpc": f"127.0.0.1:{ports[0]}",
            "rest": f"127.0.0.1:{ports[1]}",
        }
        deadline = time.monotonic() + 120
        with ServingClient(addresses["rest"], "reviews", retries=0) as client:
            while True:
                try:
                    client.predict(["good"])
                    break
                except ServingError:
                    assert time.monotonic() < deadline
                    time.sleep(0.5)
        check_server(addresses, protocol, reviews_answers)
    finally:
        process.kill()
        process.wait()
