"""What two GPUs can do, from their makers' pages."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class GPU:
    """Rates of one GPU.

    Attributes:
        name: str.
        capability: int, 10 * major + minor.
        matrix_rate: float, dense bfloat16 operations a second (data sheet).
        memory_rate: float, bytes a second (data sheet).
        processors: int, streaming multiprocessors.
        matrix_operations: int, multiply-adds a clock of one multiprocessor in
            bfloat16.
        cache_bytes: int, bytes a clock that the second-level cache gives to
            all multiprocessors.
        shared_bytes: int, shared memory that thread blocks on one
            multiprocessor can have.
    """

    name: str
    capability: int
    matrix_rate: float
    memory_rate: float
    processors: int
    matrix_operations: int
    cache_bytes: int = 5120
    shared_bytes: int = 227 * 1024

    @property
    def clock(self):
        """float, the clock in 1/s at which the data sheet's rate is reached."""
        return self.matrix_rate / (2 * self.matrix_operations * self.processors)


# Same on both: 16 exponentials a clock in one multiprocessor (four special
# function units in each of its four parts), 128 bytes a clock of shared memory
# and 65,536 registers (CUDA C++ Programming Guide, "Arithmetic Instructions"
# and "Compute Capabilities").
EXPONENTIALS = 16
SHARED_RATE = 128
REGISTERS = 65536

GPUS = [
    GPU("H200", 90, 989e12, 4.8e12, 132, 2048),
    GPU("A100", 80, 312e12, 2.0e12, 108, 1024, shared_bytes=163 * 1024),
]
