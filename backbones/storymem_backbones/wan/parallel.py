"""One shot on several GPUs: context parallelism, a process for each GPU, in lockstep.

Every rank makes the whole shot from the same inputs and seed, but each transformer works on its part of the
sequence. The process that asks is no rank itself, so it can end them all when one fails. Knows nothing about
settings beyond handing them on.
"""

import logging
import multiprocessing
import os
import socket
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from storymem.errors import SettingsError, StoryMemError
from storymem.values.clip import Frames
from storymem.values.request import ShotRequest
from storymem_backbones.diffusion.errors import GenerationError
from storymem_backbones.wan.shot import Sampling, StepCallback

if TYPE_CHECKING:
    from storymem_backbones.wan.pipeline import WanMemoryPipeline

_log = logging.getLogger(__name__)

Builder = Callable[[], "WanMemoryPipeline"]
"""Makes a rank's pipeline, parallelised; runs in the rank's process and must be picklable."""


class _Stop(Exception):
    """The shot was cancelled."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a rank tells: "ready", "step", "done", "stopped" or "error", with its content."""

    kind: str
    content: Any = None


class ParallelPipeline:
    """A pipeline on several processes, called like `WanMemoryPipeline`.

    Args:
        build: Makes a rank's pipeline.
        ranks: How many processes, one a GPU.
        device: "cuda", or "cpu" to rehearse.

    Raises:
        StoryMemError: If a rank cannot build its pipeline; all are ended.
    """

    def __init__(self, build: Builder, ranks: int, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        port = _free_port()
        self._processes: list[BaseProcess] = []
        self._connections: list[Connection] = []
        for rank in range(ranks):
            ours, theirs = context.Pipe()
            arguments = (rank, ranks, port, device, build, theirs)
            process = context.Process(target=run_rank, args=arguments, daemon=True, name=f"wan-rank-{rank}")
            process.start()
            theirs.close()
            self._processes.append(process)
            self._connections.append(ours)
        self._collect("ready")

    def __call__(
        self, shot: ShotRequest, sampling: Sampling | None = None, progress: StepCallback | None = None
    ) -> Frames:
        """Make a clip; see `WanMemoryPipeline.__call__`.

        Raises:
            StoryMemError: The first error of any rank; all ranks are then ended.
            torch.OutOfMemoryError: A GPU is out of memory; likewise.
        """
        self._send((shot, sampling or Sampling()))
        while True:
            messages = self._collect("step", "done")
            if messages[0].kind == "done":
                frames: Frames = messages[0].content
                return frames
            self._send(self._go_on(progress, messages[0].content))

    @property
    def running(self) -> bool:
        """Whether the ranks are there; they are not after a failure."""
        return bool(self._processes)

    def close(self) -> None:
        """End all ranks."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.terminate()
            process.join(10)
            if process.is_alive():
                process.kill()
                process.join()
        self._processes, self._connections = [], []

    def _go_on(self, progress: StepCallback | None, step: tuple[int, int]) -> bool:
        if progress is None:
            return True
        try:
            progress(*step)
        except BaseException:
            self._send(False)
            self._collect("stopped")
            raise
        return True

    def _send(self, content: object) -> None:
        for rank, connection in enumerate(self._connections):
            try:
                connection.send(content)
            except OSError as error:
                raise self._failed(rank, None) from error

    def _collect(self, *kinds: str) -> list[Message]:
        """One message of every rank, all of the same kind."""
        messages: dict[int, Message] = {}
        while len(messages) < len(self._connections):
            waiting = {c: rank for rank, c in enumerate(self._connections) if rank not in messages}
            for connection in wait(list(waiting)):
                assert isinstance(connection, Connection)
                rank = waiting[connection]
                try:
                    message: Message = connection.recv()
                except (EOFError, OSError) as error:
                    raise self._failed(rank, None) from error
                if message.kind not in kinds:
                    raise self._failed(rank, message)
                messages[rank] = message
        return [messages[rank] for rank in range(len(messages))]

    def _failed(self, rank: int, message: Message | None) -> Exception:
        if message is None:
            self._processes[rank].join(5)
            code = self._processes[rank].exitcode
        self.close()
        if message is None:
            return GenerationError(f"rank {rank} died (exit code {code}); all ranks were ended; render again")
        if isinstance(message.content, StoryMemError | torch.OutOfMemoryError):
            return message.content
        return GenerationError(f"rank {rank} failed and all ranks were ended: {message.content}")


def parallelise(pipeline: "WanMemoryPipeline", ranks: int, device: str) -> None:
    """Split the sequence of both experts over the ranks of the running process group (Ulysses).

    Raises:
        SettingsError: If the number of heads does not divide by the number of ranks.
    """
    from diffusers import ContextParallelConfig

    from storymem_backbones.diffusion.quiet import quiet_libraries

    for transformer in filter(None, (pipeline.transformer, pipeline.transformer_2)):
        heads = transformer.config.num_attention_heads
        if heads % ranks:
            fitting = ", ".join(str(n) for n in range(2, heads + 1) if heads % n == 0)
            raise SettingsError(f"profile gpus = {ranks}: does not divide {heads} attention heads; choose of {fitting}")
        if device == "cpu":
            # diffusers divides by the number of accelerators even where the mesh is on the CPU.
            torch.accelerator.device_count = lambda: 1
        with quiet_libraries():
            transformer.enable_parallelism(config=ContextParallelConfig(ulysses_degree=ranks))


def run_rank(rank: int, ranks: int, port: int, device: str, build: Builder, connection: Connection) -> None:
    """What a rank's process does: join the group, build, then make one shot after another until the pipe closes."""
    # diffusers gathers with a function that newer PyTorch has renamed.
    warnings.filterwarnings("ignore", message=r".*_functional_collectives\.\w+` is deprecated")
    try:
        _join_group(rank, ranks, port, device)
        pipeline = build()
        # diffusers notes at every forward pass that Wan's timestep is not split.
        logging.getLogger("diffusers").setLevel(logging.ERROR)
        connection.send(Message("ready"))
        while True:
            try:
                shot, sampling = connection.recv()
            except EOFError:
                break
            connection.send(_make(pipeline, shot, sampling, rank, connection))
    except StoryMemError as error:
        connection.send(Message("error", error))
    except torch.OutOfMemoryError as error:
        connection.send(Message("error", torch.OutOfMemoryError(str(error))))
    except Exception as error:
        _log.exception("rank %d failed", rank)
        connection.send(Message("error", f"{type(error).__name__}: {error}"))
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _make(
    pipeline: "WanMemoryPipeline", shot: ShotRequest, sampling: Sampling, rank: int, connection: Connection
) -> Message:
    def step(done: int, total: int) -> None:
        connection.send(Message("step", (done, total)))
        if not connection.recv():
            raise _Stop

    try:
        frames = pipeline(shot, sampling, step)
    except _Stop:
        return Message("stopped")
    return Message("done", frames if rank == 0 else None)


def _join_group(rank: int, ranks: int, port: int, device: str) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(ranks), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    if device == "cuda":
        torch.cuda.set_device(rank)
        dist.init_process_group("nccl", device_id=torch.device("cuda", rank))
    else:
        torch.set_num_threads(1)
        dist.init_process_group("gloo")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
