"""Runs the stand-in on loopback, for a bounded time.

Command:
    python -m tests.serving.stand_in --name NAME --folder saved_models/NAME
        [--grpc_port 0] [--rest_port 0] [--batching] [--max_seconds 600]

Prints one line of JSON with the ports and the seconds that loading and
warming up took, when it takes requests.
"""

import argparse
import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--grpc_port", type=int, default=0)
    parser.add_argument("--rest_port", type=int, default=0)
    parser.add_argument("--batching", action="store_true")
    parser.add_argument("--max_seconds", type=float, default=600.0)
    parser.add_argument("--max_message_bytes", type=int)
    arguments = parser.parse_args()

    import tensorflow as tf

    from tests.serving.stand_in import batching
    from tests.serving.stand_in import servers
    from tests.serving.stand_in import versions

    tf.get_logger().setLevel("ERROR")  # The loader is deprecated, not gone.
    started = time.monotonic()
    runner = batching.BatchingRunner if arguments.batching else None
    model = versions.Model(arguments.name, arguments.folder, make_runner=runner)
    seconds = time.monotonic() - started
    models = {arguments.name: model}
    limit = arguments.max_message_bytes
    grpc_server, grpc_port = servers.start_grpc(
        models, arguments.grpc_port, limit
    )
    _, rest_port = servers.start_rest(models, arguments.rest_port, limit)
    print(
        json.dumps({"grpc": grpc_port, "rest": rest_port, "seconds": seconds}),
        flush=True,
    )
    grpc_server.wait_for_termination(arguments.max_seconds)
    sys.stdout.flush()
    os._exit(0)  # Without waiting for requests under way.


if __name__ == "__main__":
    main()
