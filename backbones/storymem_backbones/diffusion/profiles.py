"""How to run Wan on a given machine, as data: number formats, offloading, attention, compilation.

A profile never says *what* is made. Of its fields, those that change the picture are part of a take's
fingerprint (`Profile.picture`); the others only cost or save time and memory.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storymem.errors import SettingsError
from storymem.validation import describe

Offload = Literal["none", "model", "group"]
Attention = Literal["native", "cudnn", "flash", "fa3", "sage", "fa3_fp8"]

_LOSSY_ATTENTION = ("sage", "fa3_fp8")


class Profile(BaseModel):
    """One machine.

    Attributes:
        device: Where the model runs.
        gpu_memory: Memory of one GPU in GiB that the profile is made for; 0 on a CPU.
        dtype: Of transformers and text encoder.
        vae_dtype: Of the VAE.
        linear_fp8: Blocks' linear layers in float8: "none"; "weights" (stored so, scaled per row: half the
            memory); "weights_and_activations" (scaled per row and multiplied in float8: faster on Hopper and
            later).
        offload: "none" keeps all on the GPU; "model" moves whole components; "group" streams block by block.
        vae_tiling: Encode and decode in overlapping tiles (less memory; changes pixels near seams).
        attention: Kernel. "sage" and "fa3_fp8" are quantized; the others are exact. "fa3" needs fa3-fwd and a
            Hopper.
        compile: Compile the repeated blocks.
        batched_guidance: Prompt and negative prompt as one batch of two.
        gpus: Context-parallel GPUs; all must hold the same profile.
        tflops: Sustained 10^12 operations a second of one GPU on this model; for estimates only. 141gb is
            measured on an H200 (benchmarks/results/wan_gpu.md); the others are assumed from the cards' data sheets
            (80gb: A100, 48gb: L40S, 24gb: RTX 4090).
        vae_tflops: The same of the VAE, whose convolutions reach far less.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Literal["cuda", "cpu"] = "cuda"
    gpu_memory: float = Field(0, ge=0)
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    vae_dtype: Literal["bfloat16", "float32"] = "float32"
    linear_fp8: Literal["none", "weights", "weights_and_activations"] = "none"
    offload: Offload = "none"
    vae_tiling: bool = False
    attention: Attention = "native"
    compile: bool = True
    batched_guidance: bool = False
    gpus: int = Field(1, ge=1)
    tflops: float = Field(200, gt=0)
    vae_tflops: float = Field(8, gt=0)

    def picture(self) -> dict[str, Any]:
        """The fields that change the picture; exact attention kernels count as one."""
        lossy = self.attention if self.attention in _LOSSY_ATTENTION else "exact"
        kept = self.model_dump(include={"dtype", "vae_dtype", "linear_fp8", "vae_tiling"})
        return {**kept, "attention": lossy}


PROFILES: dict[str, Profile] = {
    "141gb": Profile(gpu_memory=141, tflops=586, vae_tflops=43),
    "80gb": Profile(gpu_memory=80, offload="model", tflops=200, vae_tflops=8),
    "48gb": Profile(gpu_memory=48, offload="model", vae_tiling=True, tflops=150, vae_tflops=6),
    "24gb": Profile(gpu_memory=24, offload="group", vae_tiling=True, compile=False, tflops=110, vae_tflops=5),
    "cpu": Profile(device="cpu", dtype="float32", compile=False, tflops=0.1, vae_tflops=0.05),
}
"""Built-in profiles. 48gb and 24gb tile the VAE; 24gb streams the blocks of a transformer from host memory."""


def resolve_profile(name: str, changes: dict[str, Any] | None = None) -> Profile:
    """The profile called `name`, with fields changed.

    Args:
        name: A built-in name or a TOML file with fields of `Profile`, which may name a built-in as ``base``.
        changes: Fields that win over the profile's.

    Raises:
        SettingsError: If the name, the file or a field is wrong.
    """
    base, fields, where = PROFILES.get(name), dict(changes or {}), f"profile {name}"
    if base is None:
        if not name.endswith(".toml"):
            raise SettingsError(f"profile {name!r} is unknown: choose {', '.join(PROFILES)} or give a .toml file")
        stored = _read_toml(Path(name))
        base = resolve_profile(str(stored.pop("base", "80gb")))
        fields = {**stored, **fields}
    try:
        return Profile.model_validate({**base.model_dump(), **fields})
    except ValidationError as error:
        raise SettingsError(f"{where}: {describe(error)}") from error


def smaller_profile(profile: Profile) -> str | None:
    """The built-in profile to try when this one does not fit into memory, or none if there is no smaller one."""
    if profile.device == "cpu":
        return None
    fitting = [n for n, p in PROFILES.items() if p.device == "cuda" and p.gpu_memory < profile.gpu_memory]
    return max(fitting, key=lambda n: PROFILES[n].gpu_memory, default=None)


def _read_toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"profile {path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"profile {path}: not valid TOML ({error})") from error
