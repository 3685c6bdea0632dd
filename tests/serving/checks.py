"""What a server and a client that follow the rules do."""

import contextlib

import numpy as np
import pytest

from keras_longformer.client.client import ServingClient
from keras_longformer.client.client import ServingError
from tests.serving import exports
from tests.serving.stand_in import servers
from tests.serving.stand_in import versions
from tests.tasks import small

MAX_MESSAGE_BYTES = 2_000_000


@contextlib.contextmanager
def serving(exported, name, make_runner=None):
    model = versions.Model(name, exported.path, make_runner=make_runner)
    assert model.failed == {}
    models = {name: model}
    grpc_server, grpc_port = servers.start_grpc(models, 0, MAX_MESSAGE_BYTES)
    rest_server, rest_port = servers.start_rest(models, 0, MAX_MESSAGE_BYTES)
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
        assert_equal(client.predict([*small.TEXTS, *exports.ODD_TEXTS]), want)
        embedded = client.predict(["good"], signature="embed")
        assert embedded["mean_embedding"].shape == (1, 24)
        by_ids = client.predict_inputs(
            {"token_ids": np.array([[0, 5, 6, 2]], np.int32)},
            signature="tokens",
        )
        assert by_ids["label"].dtype == object
        # One bad text among good ones.
        got = client.predict(["good " * 3, exports.HOSTILE])
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
