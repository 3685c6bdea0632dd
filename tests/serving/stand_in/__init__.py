"""A stand-in for `tensorflow_model_server`, which cannot be installed by pip.

It speaks the server's protocols with the official messages and gRPC services,
loads versions through the same C++ loader (a graph in a Session), and applies
the server's documented rules: polling and hot swap of versions, warm-up before
a version takes requests, batching with padding by the first element and to
`allowed_batch_sizes`, and its status codes. It is not the server: what it shows
is that an export and a client behave under these rules.
"""
