"""The client over TLS, with certificates made here."""

import contextlib
import pathlib
import shutil
import ssl
import subprocess

import numpy as np
import pytest
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from keras_longformer.client.client import ServingClient
from keras_longformer.client.client import ServingError

grpc = pytest.importorskip("grpc")
pytest.importorskip("tensorflow_serving.apis.predict_pb2")

from tests.serving.stand_in import servers  # noqa: E402

PROTOCOLS = ["rest", "grpc"]
pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="there is no openssl to make keys"
)


class Doubles:
    """What the stand-in's servers need of a model, without a SavedModel."""

    def predict(self, name, inputs, number=None):
        return 1, {"y": 2 * inputs["x"]}

    def signatures(self):
        """One output, whose name the client must ask for over REST."""
        signature = meta_graph_pb2.SignatureDef()
        signature.inputs["x"].dtype = types_pb2.DT_INT64
        signature.outputs["y"].dtype = types_pb2.DT_INT64
        return {"serving_default": signature}

    def states(self):
        return [(1, "AVAILABLE")]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Paths without suffix: each has a certificate `.pem` and a key `.key`."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("server", "client", "stranger"):
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:"
        command += f"prime256v1 -nodes -days 2 -subj /CN={name}.test "
        command += f"-addext subjectAltName=DNS:{name}.test "
        command += f"-keyout {name}.key -out {name}.pem"
        subprocess.run(
            command.split(), cwd=folder, check=True, capture_output=True
        )
    return {
        name: (str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
        for name in ("server", "client", "stranger")
    }


@contextlib.contextmanager
def serving(files, ask_clients=False):
    """Both servers over TLS; `ask_clients`: for the client's certificate."""
    models = {"doubles": Doubles()}
    certificate, key = files["server"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    roots = None
    if ask_clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(files["client"][0])
        roots = pathlib.Path(files["client"][0]).read_bytes()
    pair = [pathlib.Path(path).read_bytes() for path in (key, certificate)]
    credentials = grpc.ssl_server_credentials([pair], roots, ask_clients)
    grpc_server, grpc_port = servers.start_grpc(models, credentials=credentials)
    rest_server, rest_port = servers.start_rest(models, context=context)
    try:
        yield {
            "grpc": f"https://127.0.0.1:{grpc_port}",
            "rest": f"https://127.0.0.1:{rest_port}",
        }
    finally:
        grpc_server.stop(0).wait(5)
        rest_server.shutdown()
        rest_server.server_close()


@pytest.fixture(scope="module")
def addresses(files):
    with serving(files) as addresses:
        yield addresses


def ask(address, protocol, **options):
    options = {"timeout_seconds": 20.0, **options}
    with ServingClient(
        address, "doubles", protocol=protocol, **options
    ) as client:
        assert client.status() == [(1, "AVAILABLE")]
        got = client.predict_inputs({"x": np.array([1, 2])})
    assert got["y"].tolist() == [2, 4]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_trusted_certificate(addresses, files, protocol):
    ask(
        addresses[protocol],
        protocol,
        root_certificates=files["server"][0],
        server_name="server.test",
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "options",
    [
        {"root_certificates": "stranger", "server_name": "server.test"},
        {"root_certificates": "server", "server_name": "stranger.test"},
        {"root_certificates": "server"},  # Made out to a name, not 127.0.0.1.
        {},
    ],
    ids=["stranger", "other name", "no name", "nothing trusted"],
)
def test_wrong_certificate(addresses, files, protocol, options):
    options = dict(options)
    if "root_certificates" in options:
        options["root_certificates"] = files[options["root_certificates"]][0]
    with pytest.raises(ServingError, match="no secure connection") as info:
        ask(addresses[protocol], protocol, **options)
    assert info.value.status == "UNAUTHENTICATED"
    assert info.value.retried == 0
    assert "whom to trust" in str(info.value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_client_certificate(files, protocol):
    trust = {
        "root_certificates": files["server"][0],
        "server_name": "server.test",
    }
    with serving(files, ask_clients=True) as addresses:
        address = addresses[protocol]
        ask(address, protocol, client_certificate=files["client"], **trust)
        for wrong in ({}, {"client_certificate": files["stranger"]}):
            with pytest.raises(ServingError) as info:
                ask(address, protocol, retries=0, **wrong, **trust)
            assert info.value.status in ("UNAUTHENTICATED", "UNAVAILABLE")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_files_are_checked_at_once(files, tmp_path, protocol):
    (tmp_path / "text").write_text("no certificate")
    certificate, _ = files["client"]
    for options, message in (
        ({"root_certificates": tmp_path / "none"}, "No such file"),
        ({"root_certificates": tmp_path / "text"}, "cannot be loaded"),
        (
            {"client_certificate": (certificate, files["server"][1])},
            "its own key",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            ServingClient("https://h:1", "m", protocol=protocol, **options)
    with pytest.raises(ValueError, match="'https://host:port'"):
        ServingClient("h:1", "m", protocol=protocol, server_name="n")
