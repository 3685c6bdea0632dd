"""The package reaches no other machine, and tests do not either."""

import socket
import subprocess
import sys

import pytest

from tests import network

# Imports, a model and a tokenizer: what anyone does first.
USED = """
from tests import network
import keras_longformer as klf
for name in dir(klf):
    getattr(klf, name)
klf.LongformerBackbone(
    vocabulary_size=31, num_layers=1, num_heads=2, hidden_dim=8,
    intermediate_dim=12, window_size=4, max_sequence_length=32)
klf.LongformerByteTokenizer()("a text")
print("reaches for", network.attempts())
"""


@pytest.mark.parametrize(
    "host, here",
    [
        ("localhost", True),
        ("127.0.0.1", True),
        (b"127.0.0.1", True),
        ("::1", True),
        ("", True),
        (None, True),
        ("192.0.2.1", False),
        ("example.org", False),
        ("2001:db8::1", False),
    ],
)
def test_what_is_here(host, here):
    assert network.is_here(host) is here


def test_an_attempt_is_refused_and_seen():
    with socket.socket() as one:
        for connect in (one.connect, one.connect_ex):
            with pytest.raises(network.NoNetworkError, match="192.0.2.1"):
                connect(("192.0.2.1", 80))
    with pytest.raises(network.NoNetworkError, match="example.org"):
        socket.create_connection(("example.org", 80))
    assert network.attempts() == ["192.0.2.1", "192.0.2.1", "example.org"]
    network.attempts().clear()


def test_this_machine_may_be_reached():
    with socket.create_server(("localhost", 0)) as server:
        socket.create_connection(server.getsockname()).close()


def test_import_and_use():
    done = subprocess.run(
        [sys.executable, "-c", USED],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip().endswith("reaches for []"), done.stderr[-2000:]
