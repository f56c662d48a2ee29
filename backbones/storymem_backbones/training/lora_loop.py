"""The M2V LoRA training loop on accelerate: one GPU, several, or FSDP.

Trains one expert's LoRA from any `ClipStore`. Only LoRA tensors, optimizer state and the step are checkpointed;
draws and noise depend on (seed, step, rank) alone, so resuming gives the uninterrupted run. Knows nothing about
folders of stories.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict

from storymem_backbones.training.averaging import AVERAGE_EVERY, WeightAverage
from storymem_backbones.training.budget import Budget
from storymem_backbones.training.clips import ClipStore
from storymem_backbones.training.draw import StoryDraws
from storymem_backbones.training.errors import TrainingError
from storymem_backbones.training.flow import SigmaRange, flow_loss
from storymem_backbones.training.graphed import GraphedSteps, adamw, learning_rate, set_learning_rate
from storymem_backbones.training.merged_lora import multiply_merged
from storymem_backbones.training.muon import Muon
from storymem_backbones.wan.lora import add_m2v_lora
from storymem_backbones.wan.lora_file import LoraWeights, read_lora, write_lora
from storymem_backbones.wan.positions import MemoryRotaryPosEmbed, install_memory_rope

if TYPE_CHECKING:
    from accelerate import Accelerator
    from diffusers import WanTransformer3DModel

_log = logging.getLogger(__name__)
_ADAPTER = "m2v"
_STATE = "training_state.pt"


class LoraSettings(BaseModel):
    """The LoRA's shape and optimisation (defaults: the published recipe).

    Attributes:
        optimizer: Muon suits small models trained from scratch or nearly so; it takes a larger learning rate.
        start_from: A LoRA file to continue from, instead of a new LoRA; of the same rank.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(128, ge=1)
    alpha: float = Field(128, gt=0)
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = Field(1e-5, gt=0)
    decay_to_zero: bool = False
    warmup_steps: int = Field(100, ge=0)
    weight_decay: float = Field(0.01, ge=0)
    gradient_clip: float = Field(1.0, gt=0)
    memory_weight: float = Field(0.0, ge=0)
    memory_shift: int = Field(5, ge=1)
    start_from: Path | None = None


class LoopSettings(BaseModel):
    """How long and how to run.

    Attributes:
        seconds: Stop after this long if set (a rented machine); the schedule then follows the clock, and the run is
            not reproducible to the step.
        small_model: Record steps as CUDA graphs and multiply by merged weights (`graphed`, `merged_lora`): several
            times faster where launching kernels takes longer than running them. No gradient checkpointing; ranks
            average their weights now and then instead of their gradients at every step (`averaging`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(6000, ge=1)
    seconds: float | None = Field(None, gt=0)
    batch_size: int = Field(1, ge=1)
    seed: int = 0
    precision: Literal["bf16", "no"] = "bf16"
    gradient_checkpointing: bool = True
    compile: bool = False
    small_model: bool = False
    save_every: int = Field(500, ge=1)
    log_every: int = Field(10, ge=1)
    tensorboard: bool = False

    @model_validator(mode="after")
    def _recorded_steps_keep_activations(self) -> LoopSettings:
        if self.small_model and self.gradient_checkpointing:
            raise ValueError("small_model records whole steps: set gradient_checkpointing = false")
        return self


@dataclass(frozen=True)
class LoopResult:
    """What one expert's training came to.

    Attributes:
        lora: The LoRA file.
        steps: Optimizer steps done, resumed ones included.
        loss: Mean loss of the last logged window.
        curve: (step, mean loss) at every log point of this run.
    """

    lora: Path
    steps: int
    loss: float
    curve: list[tuple[int, float]]


@dataclass(frozen=True)
class LoraJob:
    """One expert's training.

    Attributes:
        sigmas: Noise levels of this expert.
        folder: Where checkpoints, the curve and the LoRA go.
        name: File name of the LoRA, without suffix.
    """

    sigmas: SigmaRange
    lora: LoraSettings
    loop: LoopSettings
    folder: Path
    name: str


class LoraTrainer:
    """One expert being fine-tuned.

    Args:
        transformer: The frozen base; a fresh LoRA is added and its rope replaced.
        draws: Which samples.
        store: Their latents.
        job: How, and where results go.
        accelerator: One already started; a process has only one.

    Attributes:
        parameters: The LoRA's, in float32.
    """

    def __init__(
        self,
        transformer: WanTransformer3DModel,
        draws: StoryDraws,
        store: ClipStore,
        job: LoraJob,
        accelerator: Accelerator | None = None,
    ) -> None:
        self._draws, self._store = draws, store
        self._sigmas, self._folder, self._name = job.sigmas, job.folder, job.name
        self._lora, self._loop = lora, loop = job.lora, job.loop
        self._accelerator = accelerator or start_accelerator(loop, job.folder)
        self._rope: MemoryRotaryPosEmbed = install_memory_rope(transformer, lora.memory_shift)
        self.parameters = _new_lora(transformer, lora, loop.seed)
        if loop.gradient_checkpointing:
            transformer.enable_gradient_checkpointing()
        if loop.compile:
            transformer.compile_repeated_blocks(dynamic=True)  # M changes from step to step
        self._device = self._accelerator.device
        self._step = 0
        self._model: Any = transformer
        self._optimizer: Any = None
        self._update: Callable[..., torch.Tensor] = self._optimise
        self._average: WeightAverage | None = None
        if loop.small_model:
            self._suit_small_model()
        else:
            _let_autocast_choose_types(self._accelerator)
            self._model, self._optimizer = self._accelerator.prepare(transformer, self._new_optimizer())
            # FSDP puts shards in place of the parameters: gradients are theirs.
            self.parameters = [parameter for parameter in self._model.parameters() if parameter.requires_grad]

    def resume(self) -> bool:
        """Go on from this folder's last checkpoint; False if there is none."""
        path = self._folder / f"{self._name}.{_STATE}"
        if not path.is_file():
            return False
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["rank"] != self._lora.rank or state["seed"] != self._loop.seed:
            raise TrainingError(
                f"{path}: was trained with another rank or seed; give a new output folder to start over"
            )
        set_state_dict(
            self._model,
            self._optimizer,
            model_state_dict=state["model"],
            optim_state_dict=state["optimizer"],
            options=StateDictOptions(full_state_dict=True, strict=False, ignore_frozen_params=True),
        )
        self._step = state["step"]
        return True

    def train(self, on_step: Callable[[int, float], None] | None = None) -> LoopResult:
        """Train to the end of the budget and save; `on_step(step, loss)` is called at log points on the main rank."""
        curve: list[tuple[int, float]] = []
        window: list[torch.Tensor] = []
        budget = Budget(self._loop.steps, self._loop.seconds, self._device)
        while (progress := budget.progress(self._step)) < 1:
            window.append(self._train_step(progress))
            self._step += 1
            if self._average is not None:
                self._average(self._step)
            if self._step % self._loop.log_every == 0:
                curve.append((self._step, self._log(window, on_step)))
                window.clear()
            if self._step % self._loop.save_every == 0:
                self.save()
        if window:
            curve.append((self._step, self._log(window, on_step)))
        if self._average is not None:
            self._average.now()
        self.save()
        return LoopResult(self.lora_path, self._step, curve[-1][1] if curve else math.nan, curve)

    @property
    def lora_path(self) -> Path:
        """The LoRA file, in the public key form."""
        return self._folder / f"{self._name}.safetensors"

    def save(self) -> None:
        """Write the LoRA and what a resumed run needs, each under a temporary name first."""
        model, optimizer = get_state_dict(
            self._model,
            self._optimizer,
            options=StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True),
        )
        if self._accelerator.is_main_process:
            self._folder.mkdir(parents=True, exist_ok=True)
            state = {"model": model, "optimizer": optimizer, "step": self._step}
            state |= {"rank": self._lora.rank, "seed": self._loop.seed}
            temporary = self._folder / f".{self._name}.{_STATE}"
            torch.save(state, temporary)
            temporary.replace(self._folder / f"{self._name}.{_STATE}")
            partial = self._folder / f".{self._name}.safetensors"
            write_lora(_as_lora(model, self._lora), partial)
            partial.replace(self.lora_path)
        self._accelerator.wait_for_everyone()

    def _suit_small_model(self) -> None:
        multiply_merged(self._model)
        self._rope.kept_tables = 64  # a recorded step keeps using the table it was recorded with
        self._model.to(self._device)
        self._optimizer = self._new_optimizer()
        self._update = GraphedSteps(self._optimise, self._device)
        self._average = WeightAverage(self.parameters, AVERAGE_EVERY)

    def _new_optimizer(self) -> torch.optim.Optimizer:
        lora, recorded = self._lora, self._loop.small_model and self._device.type == "cuda"
        where = self._device if recorded else None
        if lora.optimizer == "muon":
            return Muon(self.parameters, learning_rate(lora.learning_rate, where), lora.weight_decay)
        return adamw(self.parameters, lora.learning_rate, where, weight_decay=lora.weight_decay, betas=(0.9, 0.99))

    def _train_step(self, progress: float) -> torch.Tensor:
        set_learning_rate(self._optimizer, self._learning_rate(progress))
        rank = self._accelerator.process_index
        batch = self._store.gather(self._draws(self._step, rank, self._loop.batch_size)).to(self._device)
        generator = torch.Generator(self._device).manual_seed(hash((self._loop.seed, self._step, rank, 1)) % 2**63)
        self._rope.memory_frames = batch.memory_frames
        return self._update(**batch.noisy(self._sigmas, generator))

    def _optimise(
        self, inputs: torch.Tensor, sigma: torch.Tensor, text: torch.Tensor, flow: torch.Tensor, **weight: torch.Tensor
    ) -> torch.Tensor:
        with self._accelerator.autocast():
            predicted = self._model(inputs.to(self._dtype), 1000 * sigma, text.to(self._dtype), return_dict=False)[0]
        loss = flow_loss(predicted, flow, self._rope.memory_frames, self._lora.memory_weight, **weight)
        self._accelerator.backward(loss)
        self._accelerator.clip_grad_norm_(self.parameters, self._lora.gradient_clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss.detach()

    @property
    def _dtype(self) -> torch.dtype:
        return torch.bfloat16 if self._loop.precision == "bf16" else torch.float32

    def _learning_rate(self, progress: float) -> float:
        warm = min(1.0, (self._step + 1) / max(self._lora.warmup_steps, 1))
        decay = 1 - progress if self._lora.decay_to_zero else 1.0
        return self._lora.learning_rate * warm * decay

    def _log(self, window: list[torch.Tensor], on_step: Callable[[int, float], None] | None) -> float:
        gathered: Any = self._accelerator.gather(torch.stack(window).mean())
        loss = float(gathered.mean())
        if self._accelerator.is_main_process:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / f"{self._name}.curve.jsonl").open("a") as file:
                file.write(json.dumps({"step": self._step, "loss": round(loss, 6)}) + "\n")
            if self._loop.tensorboard:
                self._accelerator.log({f"{self._name}/loss": loss}, step=self._step)
            if on_step is not None:
                on_step(self._step, loss)
        return loss


def start_accelerator(loop: LoopSettings, folder: Path) -> Accelerator:
    """This process's accelerator, from the settings and the environment that ``accelerate launch`` sets.

    Raises:
        TrainingError: If FSDP is asked for in a way that cannot train a LoRA beside frozen weights.
    """
    from accelerate import Accelerator

    accelerator = Accelerator(
        mixed_precision=loop.precision,
        log_with="tensorboard" if loop.tensorboard else None,
        project_dir=folder,
    )
    _check_sharding(accelerator)
    if loop.tensorboard:
        accelerator.init_trackers("m2v")
    return accelerator


def _check_sharding(accelerator: Accelerator) -> None:
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    if plugin is not None and (plugin.fsdp_version != 2 or plugin.cpu_ram_efficient_loading):
        # Version 1 flattens trained and frozen weights together; accelerate's loading from one rank stumbles over
        # parameters of the outermost module, which Wan has.
        raise TrainingError("FSDP: launch with --fsdp_version 2 --fsdp_cpu_ram_efficient_loading false")


def _let_autocast_choose_types(accelerator: Accelerator) -> None:
    """With FSDP, weights travel in bf16 but nothing else changes type on the way into a block.

    FSDP's own casting would round the rotary tables, and before torch 2.13 forget them when activations are recomputed.
    """
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    if plugin is not None and plugin.mixed_precision_policy is not None:
        plugin.mixed_precision_policy = replace(
            plugin.mixed_precision_policy, cast_forward_inputs=False, reduce_dtype=torch.float32
        )


def _new_lora(transformer: WanTransformer3DModel, lora: LoraSettings, seed: int) -> list[torch.nn.Parameter]:
    """A trainable float32 LoRA; equal on every rank because the seed or the file is."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parameters = add_m2v_lora(transformer, rank=lora.rank, alpha=lora.alpha, adapter=_ADAPTER)
    for parameter in parameters:
        parameter.data = parameter.data.float()
    if lora.start_from is not None:
        _copy_lora(transformer, lora.start_from, lora)
    return parameters


@torch.no_grad()
def _copy_lora(transformer: WanTransformer3DModel, path: Path, lora: LoraSettings) -> None:
    given = read_lora(path)
    modules = dict(transformer.named_modules())
    fresh = {name: module for name, module in modules.items() if _ADAPTER in getattr(module, "lora_A", {})}
    scale = lora.alpha / lora.rank**0.5
    if given.rank != lora.rank or set(given.factors) != set(fresh):
        raise TrainingError(
            f"lora.start_from = {path}: has rank {given.rank} and {len(given.factors)} layers; this training needs "
            f"rank {lora.rank} and the {len(fresh)} layers of StoryMem's LoRA"
        )
    for name, (a, b) in given.factors.items():
        fresh[name].lora_A[_ADAPTER].weight.copy_(a)
        fresh[name].lora_B[_ADAPTER].weight.copy_(b.float() * (given.scale_of(name) / scale))


def _as_lora(state: dict[str, Any], lora: LoraSettings) -> LoraWeights:
    """Split a LoRA-only state dict into factors by diffusers module name."""
    halves: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in state.items():
        if ".lora_" in key:
            module, half = key.removesuffix(f".{_ADAPTER}.weight").rsplit(".", 1)
            halves.setdefault(module.removeprefix("module.").replace("_orig_mod.", ""), {})[half] = tensor
    factors = {module: (pair["lora_A"], pair["lora_B"]) for module, pair in halves.items()}
    return LoraWeights(factors, lora.rank, lora.alpha, True)
