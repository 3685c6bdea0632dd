"""The memory that one call takes, as Linux counts it for a process."""

import gc


def peak_above_rest(call):
    """Calls `call`, and returns the process' peak above before, in bytes.

    Tensors that are freed while it runs count, results that it drops too.
    """
    gc.collect()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # The peak starts anew.
    rest = status_bytes("VmRSS")
    call()
    return status_bytes("VmHWM") - rest


def status_bytes(name):
    """Returns a figure of `/proc/self/status`, such as `VmSize`, in bytes."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"The kernel of this system does not tell {name}.")
