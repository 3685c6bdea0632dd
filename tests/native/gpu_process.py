"""The way to Triton, which runs in another process than TensorFlow.

This is imported on both sides, so it imports neither of them.
"""

import concurrent.futures
import contextlib
import multiprocessing


@contextlib.contextmanager
def process():
    """Yields a function that calls another one in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, spawn) as pool:
        yield lambda function, *arguments: pool.submit(
            function, *arguments
        ).result()


def attend(*arguments):
    """See `gpu_interpreter.attend`."""
    from tests.native import gpu_interpreter

    return gpu_interpreter.attend(*arguments)


def simplify(text):
    """Reads IR as Triton does, folds its constants, and returns it.

    Parameters come back as `%arg0`, `%arg1`, ...

    Raises:
        RuntimeError: it is no IR.
    """
    import tempfile

    from triton._C.libtriton import ir
    from triton._C.libtriton import passes

    context = ir.context()
    ir.load_dialects(context)
    with tempfile.NamedTemporaryFile("w", suffix=".ttir") as file:
        file.write(text)
        file.flush()
        module = ir.parse_mlir_module(file.name, context)
    manager = ir.pass_manager(context)
    passes.common.add_canonicalizer(manager)
    passes.common.add_cse(manager)
    passes.common.add_canonicalizer(manager)
    manager.run(module, "simplify")
    return str(module)
