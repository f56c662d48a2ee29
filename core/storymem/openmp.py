"""How many OpenMP threads there are, and how long they spin when they wait; read when a library that uses them loads.

Threads that wait spin by default, for as long as they like: on a machine with other work they take the processor from
those they wait for, and a film takes several times as long (``benchmarks/threads.py``).
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

#: Turns a waiting thread spins before it sleeps, in GNU's OpenMP, which PyTorch's Linux wheels bring: enough to bridge
#: the gap between two operations on a quiet machine, too few to matter on a busy one.
_SPIN = 2000
#: Any of these says that the user has decided how threads wait.
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def set_openmp_defaults(environ: MutableMapping[str, str] | None = None) -> None:
    """Set what the user has not set, for this process and those it starts; call it before torch is imported.

    Args:
        environ: Environment to change; the process's own by default.
    """
    environ = os.environ if environ is None else environ
    if not any(name in environ for name in _WAITING):
        environ["GOMP_SPINCOUNT"] = str(_SPIN)
    environ.setdefault("OMP_NUM_THREADS", str(usable_processors()))


def usable_processors() -> int:
    """Return how many processors this process may run on, which taskset and containers may limit."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
