"""The whole pipeline on tiny random weights: every mode, and fast paths that equal the plain ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storymem_backbones.diffusion.errors import ConditioningError, GenerationError, GeometryError
from storymem_backbones.diffusion.quiet import quiet_libraries
from storymem_backbones.wan import WanMemoryPipeline
from storymem_backbones.wan.pipeline import TensorCache
from storymem_backbones.wan.shot import Sampling, clip_request, latent_shape

FEW = Sampling(steps=3)


def load(folder, **kwargs):
    with quiet_libraries():
        return WanMemoryPipeline.from_pretrained(folder, **kwargs)


@pytest.fixture(scope="module")
def pipeline(tiny_folder):
    return load(tiny_folder)


def noise_frames(count, height=32, width=48, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def shot(memory=0, condition=0, **changes):
    inputs = clip_request(
        prompt="a fox in the snow",
        negative_prompt="blurry",
        width=48,
        height=32,
        frames=9,
        seed=7,
        memory=tuple(noise_frames(memory, 40, 30)),
        condition=noise_frames(condition) if condition else None,
    )
    return replace(inputs, **changes)


@pytest.mark.parametrize(
    ("memory", "condition", "mode"), [(0, 0, "t2v"), (2, 0, "m2v"), (2, 1, "mi2v"), (2, 5, "mm2v")]
)
def test_modes_give_frames_that_follow_the_inputs(pipeline, memory, condition, mode):
    inputs = shot(memory, condition)
    assert inputs.mode == mode
    frames = pipeline(inputs, FEW)
    assert frames.shape == (9, 32, 48, 3)
    assert frames.dtype == np.uint8
    assert np.array_equal(pipeline(inputs, FEW), frames)
    assert not np.array_equal(pipeline(replace(inputs, seed=8), FEW), frames)
    assert not np.array_equal(pipeline(replace(inputs, prompt="a cat"), FEW), frames)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    memory=st.integers(0, 16),
    condition=st.sampled_from([0, 1, 5]),
    frames=st.integers(1, 4).map(lambda n: 4 * n + 1),
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_any_legal_shot(pipeline, memory, condition, frames, size):
    height, width = (16 * side for side in size)
    inputs = shot(memory, condition, frames=frames, height=height, width=width)
    assert pipeline(inputs, Sampling(steps=1)).shape == (frames, height, width, 3)


def test_memory_and_condition_change_the_picture(pipeline):
    made = [pipeline(inputs, FEW) for inputs in (shot(2), shot(2, 1), shot(2, 5), shot(0))]
    other = replace(shot(2), memory=clip_request("", "", 16, 16, 1, 0, memory=noise_frames(2, 40, 30, seed=9)).memory)
    made.append(pipeline(other, FEW))
    assert len({frames.tobytes() for frames in made}) == 5


def test_what_is_kept_between_shots_changes_nothing(tiny_folder, pipeline):
    inputs = shot(3)
    pipeline(shot(2, 1), FEW)
    pipeline(inputs, FEW)
    again = pipeline(inputs, FEW)
    assert np.array_equal(load(tiny_folder)(inputs, FEW), again)


def test_constants_are_encoded_once(tiny_folder, monkeypatch):
    pipeline = load(tiny_folder)
    calls = []
    encode = pipeline.vae.encode
    monkeypatch.setattr(pipeline.vae, "encode", lambda x, **kw: calls.append(tuple(x.shape)) or encode(x, **kw))
    pipeline(shot(2), FEW)
    assert calls == [(1, 3, 1, 32, 48)] * 2 + [(1, 3, 9, 32, 48)]
    pipeline(shot(2, seed=1, prompt="another"), FEW)
    assert len(calls) == 3


def test_batched_guidance_equals_one_after_the_other(pipeline):
    noise = torch.randn(1, 16, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    inputs = shot(2)
    y, text = pipeline.encode_conditioning(inputs), pipeline.encode_text(inputs, FEW)
    runs = [
        pipeline.denoise(noise, y, text, replace(FEW, batched_guidance=batched), memory_frames=2)
        for batched in (False, True)
    ]
    torch.testing.assert_close(*runs, atol=1e-4, rtol=1e-4)


def test_no_guidance_needs_no_negative_prompt(pipeline):
    unguided = Sampling(steps=3, guidance_high=1, guidance_low=1)
    assert pipeline.encode_text(shot(), unguided).shape[0] == 1
    one, other = pipeline(shot(1), unguided), pipeline(shot(1, negative_prompt="something else"), unguided)
    assert np.array_equal(one, other)


def test_text_is_zero_padded_and_the_padding_attended(pipeline):
    text = pipeline.encode_text(shot(), FEW)
    tokens = len(pipeline.tokenizer(shot().prompt).input_ids)
    assert text.shape == (2, 512, 32)
    assert text[0, tokens - 1].abs().sum() > 0
    assert (text[0, tokens:] == 0).all()
    noise = torch.randn(1, 16, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    y = pipeline.encode_conditioning(shot())
    padded, bare = (pipeline.denoise(noise, y, t, Sampling(steps=1)) for t in (text, text[:, :tokens]))
    assert (padded - bare).abs().max() > 1e-3


def test_each_expert_works_in_its_own_range(tiny_folder, monkeypatch):
    pipeline = load(tiny_folder)
    seen = []
    for name, expert in pipeline.experts.items():
        forward = expert.forward
        monkeypatch.setattr(
            expert,
            "forward",
            lambda *a, name=name, forward=forward, **kw: (
                seen.append((name, int(kw["timestep"][0]))) or forward(*a, **kw)
            ),
        )
    pipeline(shot(1), Sampling(steps=8, guidance_high=1, guidance_low=1, boundary=0.9))
    assert [t >= 900 for _, t in seen] == [name == "high" for name, _ in seen]
    assert {name for name, _ in seen} == {"high", "low"}
    assert len(seen) == 8


def test_denoising_is_the_published_loop(tiny_folder):
    """Written out: [noise 16, mask 4, latents 16], guidance in float32, the expert by the timestep, UniPC."""
    from storymem_backbones.wan import m2v_scheduler

    pipeline = load(tiny_folder)
    inputs, sampling = shot(2, 1), Sampling(steps=6, guidance_high=3.0, guidance_low=4.0)
    y, text = pipeline.encode_conditioning(inputs), pipeline.encode_text(inputs, sampling)
    noise = torch.randn(latent_shape(inputs), generator=torch.Generator().manual_seed(inputs.seed))
    made = pipeline.denoise(noise, y, text, sampling, memory_frames=2)
    assert y[0, :4, :3].eq(1).all()
    assert y[0, :4, 3:].eq(0).all()
    x = noise
    scheduler = m2v_scheduler(6, 4.0)
    for t in scheduler.timesteps:
        model, scale = (pipeline.transformer, 3.0) if t >= 900 else (pipeline.transformer_2, 4.0)
        with torch.no_grad():
            cond, uncond = (model(torch.cat([x, y], 1), t[None], text[[n]]).sample for n in (0, 1))
        x = scheduler.step(uncond + scale * (cond - uncond), t, x).prev_sample
    torch.testing.assert_close(made, x, atol=0, rtol=0)
    with torch.no_grad():
        mean, std = (
            torch.tensor(v).view(1, 16, 1, 1, 1)
            for v in (pipeline.vae.config.latents_mean, pipeline.vae.config.latents_std)
        )
        video = pipeline.vae.decode(x[:, :, 2:] * std + mean).sample[0]
    assert np.array_equal(
        pipeline(inputs, sampling), ((video.clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 3, 0).byte().numpy()
    )


def test_guidance_of_each_expert_is_its_own(pipeline):
    base = pipeline(shot(1), Sampling(steps=8))
    assert not np.array_equal(pipeline(shot(1), Sampling(steps=8, guidance_high=6)), base)
    assert not np.array_equal(pipeline(shot(1), Sampling(steps=8, guidance_low=6)), base)


def test_memory_guidance_goes_on_from_the_pass_without_memory(pipeline):
    """Written out for one step: text guidance and memory guidance each push the flow their own way."""
    noise = torch.randn(1, 16, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    y, text = pipeline.encode_conditioning(shot(2)), pipeline.encode_text(shot(2), FEW)

    def step(latents, y, memory, text_guidance=1.0, memory_guidance=1.0):
        sampling = Sampling(
            steps=1, guidance_high=text_guidance, guidance_low=text_guidance, memory_guidance=memory_guidance
        )
        return pipeline.denoise(latents, y, text, sampling, memory_frames=memory)

    told, alone = step(noise, y, 2), step(noise[:, :, 2:], y[:, :, 2:], 0)
    by_text, by_both = step(noise, y, 2, 2.0), step(noise, y, 2, 2.0, 3.0)
    torch.testing.assert_close(by_both[:, :, :2], by_text[:, :, :2], atol=1e-5, rtol=1e-4)
    pushed = by_text[:, :, 2:] + 2 * (told[:, :, 2:] - alone)
    torch.testing.assert_close(by_both[:, :, 2:], pushed, atol=1e-4, rtol=1e-4)
    assert (by_both - by_text).abs().max() > 1e-3
    assert pipeline.transformer.rope.memory_frames == 2


def test_memory_guidance_is_nothing_without_memory(pipeline):
    plain, guided = (Sampling(steps=3, memory_guidance=g) for g in (1.0, 3.0))
    assert np.array_equal(pipeline(shot(0), plain), pipeline(shot(0), guided))


def test_shots_that_remember_nothing_have_guidance_of_their_own(pipeline):
    plain = Sampling(steps=3, guidance_high=1, guidance_low=1)
    opening = plain.replaced(opening_guidance=3.0)
    assert np.array_equal(pipeline(shot(1), plain), pipeline(shot(1), opening))
    guided = pipeline(shot(0), plain.replaced(guidance_high=3.0, guidance_low=3.0))
    assert np.array_equal(pipeline(shot(0), opening), guided)
    assert not np.array_equal(pipeline(shot(0), plain), guided)


def test_memory_shift_is_a_setting(tiny_folder):
    pipeline = load(tiny_folder)
    noise = torch.randn(1, 16, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    y, text = pipeline.encode_conditioning(shot(2)), pipeline.encode_text(shot(2), FEW)
    made = {}
    for shift in (5, 1, "contiguous"):
        pipeline.set_memory_shift(shift)
        made[shift] = pipeline.denoise(noise, y, text, FEW, memory_frames=2)
    torch.testing.assert_close(made[1], made["contiguous"], atol=1e-4, rtol=1e-4)
    assert (made[5] - made[1]).abs().max() > 1e-4


def test_progress_is_told_and_can_cancel(pipeline):
    told = []
    wanted = pipeline(shot(1), FEW, lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline(shot(1), FEW, stop)
    assert np.array_equal(pipeline(shot(1), FEW), wanted)


def test_nan_stops_with_step_and_expert(tiny_folder):
    pipeline = load(tiny_folder)
    pipeline.transformer_2.proj_out.bias.data[0] = float("nan")
    sampling = Sampling(steps=8)
    with pytest.raises(GenerationError, match=r"not finite after step \d of 8 \(low-noise expert\)"):
        pipeline(shot(1), sampling)


def test_one_expert_does_it_all(tmp_path):
    from storymem_backbones.wan.tiny_random import write_tiny_pipeline

    pipeline = load(write_tiny_pipeline(tmp_path, experts=1))
    assert pipeline.experts["low"] is pipeline.transformer
    assert pipeline(shot(2, 1), FEW).shape == (9, 32, 48, 3)


def test_a_text_to_video_model_makes_t2v_only(tiny_t2v_folder):
    pipeline = load(tiny_t2v_folder)
    assert pipeline(shot(), FEW).shape == (9, 32, 48, 3)
    for inputs in (shot(1), shot(0, 1)):
        with pytest.raises(ConditioningError, match="text-to-video model cannot make"):
            pipeline(inputs, FEW)


def test_bfloat16_keeps_what_must_stay_float32(tiny_folder):
    pipeline = load(tiny_folder, dtype={"default": torch.bfloat16, "vae": torch.float32})
    assert pipeline.transformer.patch_embedding.weight.dtype == torch.bfloat16
    assert pipeline.transformer.scale_shift_table.dtype == torch.float32
    assert pipeline(shot(2, 5), FEW).shape == (9, 32, 48, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": 8}, "nearest is 9"),
        ({"width": 50}, "nearest is 48x32"),
        ({"condition": 2}, "2 handed-over"),
    ],
)
def test_illegal_shots_are_refused_before_any_work(pipeline, changes, message):
    with pytest.raises(GeometryError, match=message):
        pipeline(shot(1, **changes), FEW)


def test_odd_memory_pictures_are_taken(pipeline):
    rgb = noise_frames(1, 20, 30)[0]
    grey = rgb[..., 0]
    as_grey, as_rgb = (
        pipeline(clip_request("a fox", "", 48, 32, 9, 7, memory=(m,)), FEW) for m in (grey, np.stack([grey] * 3, -1))
    )
    assert np.array_equal(as_grey, as_rgb)


def test_the_cache_forgets_the_least_recently_used():
    cache = TensorCache(2)
    made = []

    def get(key):
        return cache.get(key, lambda: made.append(key) or torch.zeros(1))

    for key in "abac":
        get(key)
    assert len(cache) == 2
    get("a")
    get("b")
    assert made == ["a", "b", "c", "b"]
