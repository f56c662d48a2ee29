"""What the Wan benchmarks share: random experts, timing, the matrix-product peak, and result files."""

from __future__ import annotations

import contextlib
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from storymem_backbones.wan.estimate import A14B, forward_work

TINY = {**A14B, "num_attention_heads": 2, "attention_head_dim": 48, "ffn_dim": 192, "num_layers": 2, "text_dim": 64}


@dataclass(frozen=True)
class Size:
    """One benchmark's shape."""

    width: int
    height: int
    frames: int
    memory: int
    config: dict[str, Any]

    @property
    def flops(self) -> float:
        """Of one forward pass."""
        return forward_work(self.config, self.width, self.height, self.frames, self.memory).flops


def size_of(tiny: bool, memory: int) -> Size:
    """832x480x81 with the A14B configuration, or a toy of the same structure for a smoke test on a CPU."""
    if tiny:
        return Size(96, 64, 9, min(memory, 3), TINY)
    return Size(832, 480, 81, memory, A14B)


def random_expert(config: dict[str, Any], device: torch.device, dtype: torch.dtype) -> Any:
    """A transformer with random weights made on the device, and the parts that must stay float32 in float32."""
    from diffusers.models.transformers.transformer_wan import WanTransformer3DModel

    keys = ("num_attention_heads", "attention_head_dim", "ffn_dim", "num_layers", "in_channels", "text_dim", "freq_dim")
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device), _no_initialisation():
            model = WanTransformer3DModel(out_channels=16, **{key: config[key] for key in keys})
    finally:
        torch.set_default_dtype(before)
    generator = torch.Generator(device).manual_seed(0)
    for name, parameter in model.named_parameters():
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 1
        with torch.no_grad():
            if "norm" in name and name.endswith("weight"):
                parameter.fill_(1)
            elif parameter.ndim > 1:
                parameter.normal_(0, fan_in**-0.5, generator=generator)
            else:
                parameter.zero_()
        if any(kept in name for kept in model._keep_in_fp32_modules):
            parameter.data = parameter.data.float()
    return model.eval().requires_grad_(False)


def expert_inputs(size: Size, device: torch.device, dtype: torch.dtype, batch: int = 1) -> dict[str, Any]:
    """Random inputs of one forward pass."""
    from storymem_backbones.wan.geometry import latent_frames

    generator = torch.Generator(device).manual_seed(1)
    latents = size.memory + latent_frames(size.frames)
    shape = (batch, 36, latents, size.height // 8, size.width // 8)
    return {
        "hidden_states": torch.randn(shape, generator=generator, device=device, dtype=dtype),
        "timestep": torch.tensor([700] * batch, device=device),
        "encoder_hidden_states": torch.randn(
            batch, 512, size.config["text_dim"], generator=generator, device=device, dtype=dtype
        ),
        "return_dict": False,
    }


def seconds(run: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median wall time of a call, the device idle before and after."""
    times = []
    for _ in range(repeats):
        synchronise(device)
        start = time.perf_counter()
        run()
        synchronise(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def synchronise(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_peak(device: torch.device, *, fp8: bool = False, sustained: bool = False) -> float:
    """Measured operations a second of a square matrix product on random data: bfloat16, or float8 scaled by row.

    In short bursts on a cool chip, or `sustained` for as long as a forward pass takes: a GPU at its power limit lowers
    its clocks within a second.
    """
    n = 8192 if device.type == "cuda" else 512
    a, b = (torch.randn(n, n, device=device, dtype=torch.bfloat16) for _ in range(2))
    if fp8:
        from storymem_backbones.diffusion.fp8 import quantize_rows

        (x, x_scale), (y, y_scale) = quantize_rows(a), quantize_rows(b)
        y_scale = y_scale.reshape(1, -1)

        def product() -> object:
            return torch._scaled_mm(x, y.t(), x_scale, y_scale, out_dtype=torch.bfloat16, use_fast_accum=True)
    else:

        def product() -> object:
            return a @ b

    repeats = 1 if device.type == "cpu" else 2000 if sustained else 20

    def products(count: int = repeats) -> None:
        for _ in range(count):
            product()

    products(3)
    return 2 * n**3 * repeats / seconds(products, device, 2 if sustained else 3)


def relative_rms(made: torch.Tensor, wanted: torch.Tensor) -> float:
    """Root mean square of the difference over that of the wanted."""
    made, wanted = made.float(), wanted.float()
    return float(((made - wanted).square().mean() / wanted.square().mean()).sqrt())


def peak_gib(device: torch.device) -> float:
    """Peak allocated GPU memory since the last reset, in GiB; 0 on a CPU."""
    return torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0


def machine() -> dict[str, str]:
    """Where this was measured."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "CPU"
    return {"device": name, "torch": torch.__version__, "python": platform.python_version()}


def write_result(path: Path | None, result: dict[str, Any]) -> None:
    """Print the result, and write it where asked."""
    text = json.dumps(result, indent=2)
    print(text, flush=True)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


@contextlib.contextmanager
def _no_initialisation() -> Iterator[None]:
    names = ("kaiming_uniform_", "uniform_", "normal_", "xavier_uniform_")
    before = {name: getattr(torch.nn.init, name) for name in names}
    try:
        for name in names:
            setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)
        yield
    finally:
        for name, function in before.items():
            setattr(torch.nn.init, name, function)
