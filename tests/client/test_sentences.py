"""Of what a server's graph says, a client shows the sentence."""

import json
import types

import pytest

from keras_longformer.client.transport import Failure
from keras_longformer.client.transport import RestTransport

SENTENCE = "Text 1 of the batch: it has 51 bytes, more than max_text_bytes=50."
GRAPH = (
    f"2 root error(s) found.\n  (0) INVALID_ARGUMENT: assertion failed: "
    f"[{SENTENCE}]\n\t [[{{{{node StatefulPartitionedCall/Assert/Assert}}}}]]"
)


@pytest.mark.parametrize(
    "said, shown", [(GRAPH, SENTENCE), ("Servable not found", None)]
)
def test_over_rest(said, shown):
    response = types.SimpleNamespace(status=400)
    with pytest.raises(Failure) as caught:
        RestTransport._answer(None, response, json.dumps({"error": said}))
    assert str(caught.value) == f"HTTP 400: {shown or said}"


def test_over_grpc():
    grpc = pytest.importorskip("grpc")
    from keras_longformer.client.transport import GrpcTransport

    class Refused(grpc.RpcError):
        def code(self):
            return grpc.StatusCode.INVALID_ARGUMENT

        def details(self):
            return GRAPH

    def method(request, timeout):
        raise Refused

    transport = types.SimpleNamespace(_grpc=grpc)
    with pytest.raises(Failure) as caught:
        GrpcTransport._call(transport, method, None, 1.0)
    assert str(caught.value) == SENTENCE
