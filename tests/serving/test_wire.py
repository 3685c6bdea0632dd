"""Client and export over REST and gRPC, on the stand-in server.

With `TF_SERVING_HOST` (its name or address; ports 8500 and 8501, a model
`reviews` exported as `reviews` in conftest.py) or `TF_SERVING_BINARY` (the
path of a `tensorflow_model_server`) the same checks run on the real one.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.serving import client as serving_client
from keras_longformer.serving.client import ServingClient
from keras_longformer.serving.client import ServingError
from tests.models import small
from tests.serving import conftest

pytest.importorskip("tensorflow_serving.apis.predict_pb2")

from tests.serving.stand_in import batching  # noqa: E402
from tests.serving.stand_in import servers  # noqa: E402
from tests.serving.stand_in import versions  # noqa: E402

PROTOCOLS = ["rest", "grpc"]
LIMIT = 2_000_000
SECRET = [b"nul \0 byte", b"\xff\xfe broken \xc3", "", "</s>" * 9]


@contextlib.contextmanager
def serving(exported, name, make_runner=None):
    model = versions.Model(name, exported.path, make_runner=make_runner)
    assert model.failed == {}
    models = {name: model}
    grpc_server, grpc_port = servers.start_grpc(models, 0, LIMIT)
    rest_server, rest_port = servers.start_rest(models, 0, LIMIT)
    try:
        yield {
            "grpc": f"127.0.0.1:{grpc_port}",
            "rest": f"127.0.0.1:{rest_port}",
            "model": model,
        }
    finally:
        grpc_server.stop(0).wait(5)
        rest_server.shutdown()
        rest_server.server_close()
        model.close()


@pytest.fixture(scope="module")
def server(reviews):
    with serving(reviews, "reviews", batching.BatchingRunner) as ports:
        yield ports


@pytest.fixture(scope="module")
def want(reviews):
    call = reviews.signature("serving_default")
    outputs = call(text=tf.constant([*small.TEXTS, *SECRET]))
    return {name: x.numpy() for name, x in outputs.items()}


def assert_equal(got, want, rows=slice(None)):
    assert set(got) == set(want)
    for name, x in want.items():
        if x.dtype.kind == "f":
            np.testing.assert_allclose(got[name], x[rows], atol=1e-5)
        else:
            assert got[name].tolist() == x[rows].tolist()


def check_server(addresses, protocol, want):
    """What a right server and client do, the stand-in or the real one."""
    address = addresses[protocol]
    with ServingClient(
        address, "reviews", protocol=protocol, batch_size=4
    ) as client:
        assert client.status()[-1].state == "AVAILABLE"
        assert_equal(client.predict([*small.TEXTS, *SECRET]), want)
        embedded = client.predict(["good"], signature="embed")
        assert embedded["mean_embedding"].shape == (1, 24)
        by_ids = client.predict_inputs(
            {"token_ids": np.array([[0, 5, 6, 2]], np.int32)},
            signature="tokens",
        )
        assert by_ids["label"].dtype == object
        # One bad text among good ones.
        got = client.predict(["good " * 3, conftest.HOSTILE])
        assert b"max_text_bytes" in got.pop("error")[1]
        for name, x in got.items():
            if x.dtype.kind == "f":
                np.testing.assert_allclose(x[0], want[name][0], atol=1e-5)
        for options, status in (
            ({"signature": "nonsense"}, ("FAILED_PRECONDITION", "INVALID")),
            ({"signature": "tokens"}, ("INVALID_ARGUMENT", "INVALID")),
        ):
            with pytest.raises(ServingError) as info:
                client.predict(["good"], **options)
            assert info.value.status.startswith(status)
            assert info.value.retried == 0
            message = str(info.value)
            assert address in message and "'reviews'" in message
            assert options["signature"] in message
        with pytest.raises(ServingError) as info:
            client.predict_inputs({"text": [1.5, 2.5]})
        assert info.value.status == "INVALID_ARGUMENT"
    for other in ({"model": "nobody"}, {"model": "reviews", "version": 99}):
        with ServingClient(address, protocol=protocol, **other) as client:
            with pytest.raises(ServingError, match="Servable not found"):
                client.predict(["good"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_stand_in(server, want, protocol):
    check_server(server, protocol, want)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_too_large_a_message(server, protocol):
    with ServingClient(server[protocol], "reviews", protocol=protocol) as c:
        with pytest.raises(ServingError) as info:
            c.predict(["x" * 5_000_000])
        assert info.value.status == "RESOURCE_EXHAUSTED"
        assert c.predict(["good"])["error"].tolist() == [b""]


def test_batches_are_merged_and_padded(server, want):
    """Requests of one text each, of token ids of different lengths too."""
    runner = server["model"]._current.runner
    runner.sizes.clear()
    failures = []
    tokenizer = small.make_tokenizer()

    def ask(i):
        text = small.TEXTS[i % 6]
        ids = tokenizer.tokenize(text).numpy()[:62]
        ids = np.concatenate([[0], ids, [2]])[None].astype(np.int32)
        with ServingClient(
            server["grpc"], "reviews", protocol="grpc"
        ) as client:
            try:
                got = client.predict([text])
                assert_equal(got, want, slice(i % 6, i % 6 + 1))
                got = client.predict_inputs(
                    {"token_ids": ids}, signature="tokens"
                )
                assert_equal(got, want, slice(i % 6, i % 6 + 1))
            except (AssertionError, ServingError) as error:
                failures.append(error)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(18)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(runner.sizes) <= {1, 4}
    assert len(runner.sizes) < 36 and 4 in runner.sizes


def test_masks_are_joined_across_batches(fill_mask):
    with serving(fill_mask, "fill_mask") as ports:
        with ServingClient(ports["rest"], "fill_mask", batch_size=1) as client:
            got = client.predict(["<mask> a <mask>", "b <mask>", "none"])
            assert got["tokens"].shape == (3, 2, 5)
            assert (got["tokens"][2] == b"").all()
            assert (got["probabilities"][1, 1] == 0).all()


def test_hot_swap_under_load(reviews, want, tmp_path):
    path = tmp_path / "reviews"
    shutil.copytree(reviews.folder, path / "1")
    exported = conftest.Export(None, str(path), str(path / "1"))
    with serving(exported, "reviews") as ports:
        stop, failures, count = threading.Event(), [], []

        def ask():
            with ServingClient(ports["rest"], "reviews", retries=0) as client:
                while not stop.is_set():
                    try:
                        got = client.predict(small.TEXTS)
                        assert_equal(got, want, slice(6))
                        count.append(1)
                    except (AssertionError, ServingError) as error:
                        failures.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        shutil.copytree(reviews.folder, path / ".copying")
        os.rename(path / ".copying", path / "2")
        versions.wait_for_version(ports["model"], 2)
        time.sleep(0.3)
        stop.set()
        thread.join()
        assert failures == [] and len(count) > 2
        with ServingClient(ports["rest"], "reviews") as client:
            assert client.status() == [(1, "END"), (2, "AVAILABLE")]


def test_a_broken_version_is_not_served(reviews, tmp_path):
    path = tmp_path / "reviews"
    shutil.copytree(reviews.folder, path / "1")
    shutil.copytree(reviews.folder, path / "2")
    (path / "2" / "variables" / "variables.index").unlink()
    model = versions.Model("reviews", path, make_runner=None)
    assert list(model.failed) == [2]
    model.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_retries_what_may_be_retried(protocol, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with ServingClient(
        address, "reviews", protocol=protocol, retries=2, backoff_seconds=0.01
    ) as client:
        with pytest.raises(ServingError, match="after 2 retries") as info:
            client.predict(["good"])
    assert info.value.status == "UNAVAILABLE"
    assert f"{address}: model 'reviews', asked for 'serving_default'" in str(
        info.value
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_times_out(protocol):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with ServingClient(
            address, "reviews", protocol=protocol, timeout_seconds=0.3
        ) as client:
            started = time.monotonic()
            with pytest.raises(ServingError) as info:
                client.predict(["good"])
            assert time.monotonic() - started < 3
    assert info.value.status in ("DEADLINE_EXCEEDED", "UNAVAILABLE")


def test_arguments():
    with pytest.raises(ValueError, match="`protocol` must be one of"):
        ServingClient("localhost:1", "m", protocol="http")
    with pytest.raises(ValueError, match="must be positive"):
        ServingClient("localhost:1", "m", batch_size=0)
    with pytest.raises(ValueError, match="host:port or an http"):
        ServingClient("ftp://localhost", "m")
    with pytest.raises(TypeError, match="put it into a list"):
        ServingClient("localhost:1", "m").predict("one text")


def test_joins_batches_of_other_widths():
    """REST cannot say how wide an empty array is."""
    parts = [np.zeros([1, 0]), np.full([2, 1, 2], b"a", object)]
    joined = serving_client._joined(parts)
    assert joined.shape == (3, 1, 2)
    assert joined[:, 0, 0].tolist() == [b"", b"a", b"a"]


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_real_server(reviews, want, protocol):
    """On `TF_SERVING_HOST` or with `TF_SERVING_BINARY`."""
    host = os.environ.get("TF_SERVING_HOST")
    binary = os.environ.get("TF_SERVING_BINARY")
    if host:
        addresses = {"grpc": f"{host}:8500", "rest": f"{host}:8501"}
        check_server(addresses, protocol, want)
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
        check_server(addresses, protocol, want)
    finally:
        process.kill()
        process.wait()
