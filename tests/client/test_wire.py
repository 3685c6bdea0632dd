"""Client and export over REST and gRPC, on the stand-in server."""

import json
import os
import shutil
import socket
import threading

import numpy as np
import pytest

from keras_longformer.cli.main import main
from keras_longformer.client import client as serving_client
from keras_longformer.client.client import ServingClient
from keras_longformer.client.client import ServingError
from tests.serving import exports
from tests.tasks import small

pytest.importorskip("tensorflow_serving.apis.predict_pb2")

from tests.serving.checks import assert_equal  # noqa: E402
from tests.serving.checks import check_server  # noqa: E402
from tests.serving.checks import serving  # noqa: E402
from tests.serving.stand_in import batching  # noqa: E402
from tests.serving.stand_in import versions  # noqa: E402

PROTOCOLS = ["rest", "grpc"]


@pytest.fixture(scope="module")
def server(reviews):
    with serving(reviews, "reviews", batching.BatchingRunner) as ports:
        yield ports


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_stand_in(server, reviews_answers, protocol):
    check_server(server, protocol, reviews_answers)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_too_large_a_message(server, protocol):
    with ServingClient(server[protocol], "reviews", protocol=protocol) as c:
        with pytest.raises(ServingError) as info:
            c.predict(["x" * 5_000_000])
        assert info.value.status == "RESOURCE_EXHAUSTED"
        assert c.predict(["good"])["error"].tolist() == [b""]


def test_batches_are_merged_and_padded(server, reviews_answers):
    """Requests of one text each, of token ids of different lengths too."""
    runner = server["model"]._current.runner
    runner.sizes.clear()
    failures = []
    tokenizer = small.make_tokenizer()
    rows = [row[:62] for row in tokenizer.tokenize(small.TEXTS).to_list()]

    def ask(i):
        text = small.TEXTS[i % 6]
        ids = np.array([[0, *rows[i % 6], 2]], np.int32)
        with ServingClient(
            server["grpc"], "reviews", protocol="grpc"
        ) as client:
            try:
                got = client.predict([text])
                assert_equal(got, reviews_answers, slice(i % 6, i % 6 + 1))
                got = client.predict_inputs(
                    {"token_ids": ids}, signature="tokens"
                )
                assert_equal(got, reviews_answers, slice(i % 6, i % 6 + 1))
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
            got = client.predict(["<mask>" * 10_000, "b <mask>"])
            assert got["tokens"].shape == (2, 62, 5)


def test_hot_swap_under_load(reviews, reviews_answers, tmp_path):
    path = tmp_path / "reviews"
    shutil.copytree(reviews.folder, path / "1")
    exported = exports.Export(None, str(path), str(path / "1"))
    with serving(exported, "reviews") as ports:
        stop, failures, count = threading.Event(), [], []
        swapped, asked_after = threading.Event(), threading.Event()

        def ask():
            with ServingClient(ports["rest"], "reviews", retries=0) as client:
                while not stop.is_set():
                    was_swapped = swapped.is_set()
                    try:
                        got = client.predict(small.TEXTS)
                        assert_equal(got, reviews_answers, slice(6))
                        count.append(1)
                    except (AssertionError, ServingError) as error:
                        failures.append(error)
                    if was_swapped:
                        asked_after.set()

        thread = threading.Thread(target=ask)
        thread.start()
        shutil.copytree(reviews.folder, path / ".copying")
        os.rename(path / ".copying", path / "2")
        versions.wait_for_version(ports["model"], 2)
        swapped.set()
        assert asked_after.wait(60)
        stop.set()
        thread.join()
        assert failures == [] and len(count) > 2
        versions.wait_for_version(ports["model"], 1, "END")
        assert not ports["model"]._users  # Or the version would be kept.
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
    """A server that never answers: without the limit this test would hang."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with ServingClient(
            address, "reviews", protocol=protocol, timeout_seconds=0.3
        ) as client:
            with pytest.raises(ServingError) as info:
                client.predict(["good"])
    assert info.value.status in ("DEADLINE_EXCEEDED", "UNAVAILABLE")


def test_a_server_without_xla_refuses_what_needs_it(embedder):
    model = versions.Model("embedder", embedder.path)
    assert "XLA" in model.failed[1]
    with pytest.raises(versions.Refused, match="Servable not found"):
        model.predict("embed", {})
    model.close()


def test_ask(server, capsys, tmp_path):
    (tmp_path / "text").write_bytes(b"good \xff")
    base = ["ask", "--server", server["rest"], "--model", "reviews"]

    def lines(*arguments):
        assert main([*base, *arguments]) == 0
        return [json.loads(x) for x in capsys.readouterr().out.splitlines()]

    text = str(tmp_path / "text")
    (row,) = lines(text)
    assert row["label"] in ("bad", "good") and len(row["logits"]) == 2
    ((first, second),) = lines(text, text, "--json")
    for other in (first, second):  # Batches of two may round otherwise.
        assert other["label"] == row["label"]
        np.testing.assert_allclose(other["logits"], row["logits"], atol=1e-5)
    assert lines("--status") == [{"version": 1, "state": "AVAILABLE"}]
    assert main([*base, "--signature", "nonsense", text]) == 1
    assert "asked for 'nonsense'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as info:
        main([*base, "--client-key", "k"])
    assert info.value.code == 2


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
