"""Which worker gets which GPUs: a pure function of how many there are, how many a shot takes, and how many workers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storymem.errors import SettingsError

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class Placement:
    """GPUs by worker, as CUDA names them.

    Attributes:
        workers: One entry a worker; empty tuples where no GPU is needed.
        shared: Whether workers share GPUs.
    """

    workers: tuple[tuple[str, ...], ...]
    shared: bool = False

    def __str__(self) -> str:
        count = f"{len(self.workers)} worker{'s' if len(self.workers) > 1 else ''}"
        if not any(self.workers):
            return f"{count}, no GPU needed"
        places = " | ".join(f"GPU {'+'.join(gpus)}" for gpus in self.workers)
        return f"{count}: {places}{' (shared)' if self.shared else ''}"


def place(workers: int, gpus_per_shot: int, gpus: Sequence[str], share: bool = False) -> Placement:
    """Return which worker gets which GPUs; neighbours stay together, since they are often linked.

    Args:
        workers: How many there are to be, 1 or more.
        gpus_per_shot: How many GPUs each needs; 0 for none.
        gpus: The GPUs there are.
        share: Whether several workers may use one GPU.

    Raises:
        SettingsError: There are too few; says how many workers fit.
    """
    if gpus_per_shot == 0:
        return Placement(((),) * workers)
    fit = len(gpus) // gpus_per_shot
    if fit == 0:
        raise SettingsError(f"gpus_per_shot: a shot takes {gpus_per_shot} GPUs, and this machine has {len(gpus)}")
    if workers > fit and not share:
        raise SettingsError(
            f"workers: {workers} workers with {gpus_per_shot} GPUs each do not fit on {len(gpus)} GPUs; at most {fit} "
            "do (executor.share_gpus = true lets them share)"
        )
    groups = [tuple(gpus[n * gpus_per_shot : (n + 1) * gpus_per_shot]) for n in range(fit)]
    return Placement(tuple(groups[n % fit] for n in range(workers)), shared=workers > fit)


def visible_gpus(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the NVIDIA GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES takes.

    Asks the driver's own program, since loading torch to count them would take seconds and memory on every GPU.
    """
    chosen = environ.get(VISIBLE)
    if chosen is not None:
        names = [name.strip() for name in chosen.split(",") if name.strip()]
        # CUDA ignores everything from the first name on that it does not know; -1 is the customary one.
        return tuple(names[: names.index("-1")] if "-1" in names else names)
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        done = subprocess.run([program, "-L"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ()  # a broken driver: doctor says what is wrong with it
    lines = [line for line in done.stdout.splitlines() if line.startswith("GPU ")]
    return tuple(str(number) for number in range(len(lines))) if done.returncode == 0 else ()
