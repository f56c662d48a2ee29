"""The contract of backbones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from storymem.errors import Cancelled
from storymem.interfaces import Backbone, Capabilities, Handover, Keyframe, Mode, ShotRequest, Subject
from storymem.numbers import SEED_LIMIT
from storymem.testing.contract import PluginContract, not_given
from storymem.values.clip import Clip, Frames, pixel_hash


def no_progress(step: int, total: int) -> None:
    """Take a step and do nothing."""


class BackboneContract(PluginContract):
    """Subclass it, override :meth:`backbone`, and set the flags that apply.

    Attributes:
        seed_matters: Another seed gives another clip.
        memory_matters: Other memory gives another clip.
        handover_error: Largest mean difference, 0..255, between the handed-over frames and the clip's first
            ones; None for a model too small to repeat them.
        prompt: What the test clips are of.
    """

    seed_matters: bool = True
    memory_matters: bool = True
    handover_error: float | None = 40.0
    prompt: str = "Anna flies a red kite by the harbour."

    @pytest.fixture
    def backbone(self) -> Backbone[Any]:
        """Return the backbone under test."""
        not_given(self, "backbone")

    def size(self, capabilities: Capabilities) -> tuple[int, int]:
        """Return the (width, height) of the test clips: the smallest legal one of at least 32 pixels."""
        side = -(-32 // capabilities.size_multiple) * capabilities.size_multiple
        return side, side

    def request(self, backbone: Backbone[Any], mode: Mode, seed: int = 7, memory_seed: int = 0) -> ShotRequest:
        """Return a small request of a mode."""
        capabilities = backbone.capabilities()
        width, height = self.size(capabilities)
        memory = 0 if mode is Mode.T2V else min(2, capabilities.max_memory)
        several = max(capabilities.handovers & {2, 3, 4, 5}, default=0)
        count = {Mode.MI2V: 1, Mode.MM2V: several}.get(mode, 0)
        last = _pictures(count, width, height, 5)
        return ShotRequest(
            shot="1.2",
            prompt=self.prompt,
            negative_prompt=None,
            width=width,
            height=height,
            frames=capabilities.nearest_frames(count + capabilities.frame_step),
            seed=seed,
            memory=tuple(
                Keyframe.of_picture(picture, "1.1", 0, i, ("Anna",))
                for i, picture in enumerate(_pictures(memory, width, height, memory_seed))
            ),
            handover=Handover(count, pixel_hash(last), frames=last) if count else None,
            subjects=(Subject("Anna", "character", "a girl in a yellow coat"),),
        )

    def modes(self, backbone: Backbone[Any]) -> list[Mode]:
        """Return the modes the backbone says it has."""
        return [mode for mode in Mode if mode in backbone.capabilities().modes]

    def test_has_a_fingerprint(self, backbone: Backbone[Any]) -> None:
        self.check_plugin(backbone)

    def test_capabilities_are_consistent(self, backbone: Backbone[Any]) -> None:
        capabilities = backbone.capabilities()
        assert capabilities == backbone.capabilities()
        capabilities.check_size(*capabilities.size)
        capabilities.check_frames(capabilities.frames, "default")
        assert (Mode.MI2V in capabilities.modes) == (1 in capabilities.handovers)
        assert (Mode.MM2V in capabilities.modes) == bool(capabilities.handovers - {1})
        assert capabilities.modes, "a backbone needs a mode"
        assert capabilities.fps >= 1
        assert capabilities.max_memory >= (Mode.M2V in capabilities.modes)
        unknown = backbone.shot_options - set(type(backbone).Settings.model_fields)
        assert not unknown, f"shot_options that are no settings: {sorted(unknown)}"

    def test_makes_what_was_asked_in_every_mode(self, backbone: Backbone[Any]) -> None:
        for mode in self.modes(backbone):
            request = self.request(backbone, mode)
            assert request.mode is mode
            before = [picture.copy() for picture in request.pictures]
            clip = backbone.generate(request, no_progress)
            expected = (request.frames, request.height, request.width, 3)
            assert clip.frames.shape == expected, f"{mode}: expected {expected}, got {clip.frames.shape}"
            assert clip.fps == backbone.capabilities().fps
            assert (clip.sound is not None) == backbone.capabilities().sound, f"{mode}: sound is not as declared"
            assert all(np.array_equal(a, b) for a, b in zip(before, request.pictures, strict=True)), "memory changed"

    def test_same_request_same_clip(self, backbone: Backbone[Any]) -> None:
        for mode in self.modes(backbone):
            first = backbone.generate(self.request(backbone, mode), no_progress)
            again = backbone.generate(self.request(backbone, mode), no_progress)
            assert first.content_hash() == again.content_hash(), f"{mode}: two runs of one request differ"

    def test_seed_and_memory_matter(self, backbone: Backbone[Any]) -> None:
        for mode in self.modes(backbone):
            clip = self._clip(backbone, mode)
            if self.seed_matters:
                assert not np.array_equal(clip, self._clip(backbone, mode, seed=8)), f"{mode}: seed is ignored"
            if self.memory_matters and mode is not Mode.T2V:
                assert not np.array_equal(clip, self._clip(backbone, mode, memory_seed=9)), f"{mode}: memory is ignored"

    def test_takes_the_largest_seed(self, backbone: Backbone[Any]) -> None:
        clip = self._clip(backbone, self.modes(backbone)[0], seed=SEED_LIMIT - 1)
        assert len(clip), "no frames"

    def test_starts_with_what_was_handed_over(self, backbone: Backbone[Any]) -> None:
        for mode in self.modes(backbone):
            request = self.request(backbone, mode)
            if request.handover_frames is None or self.handover_error is None:
                continue
            start = backbone.generate(request, no_progress).frames[: len(request.handover_frames)]
            error = float(np.abs(start.astype(int) - request.handover_frames).mean())
            assert error <= self.handover_error, f"{mode}: first frames differ by {error:.1f} of 255 from the hand-over"

    def test_reports_progress(self, backbone: Backbone[Any]) -> None:
        calls: list[tuple[int, int]] = []
        backbone.generate(self.request(backbone, self.modes(backbone)[0]), lambda s, t: calls.append((s, t)))
        steps, totals = [step for step, _ in calls], {total for _, total in calls}
        assert calls, "progress was never called, so the work cannot be cancelled"
        assert len(totals) == 1, f"the total changes: {totals}"
        assert steps == sorted(steps), f"steps do not ascend: {steps}"
        assert steps[-1] <= calls[-1][1]

    def test_can_be_cancelled(self, backbone: Backbone[Any]) -> None:
        def cancel(step: int, total: int) -> None:
            raise Cancelled("enough")

        request = self.request(backbone, self.modes(backbone)[0])
        with pytest.raises(Cancelled):
            backbone.generate(request, cancel)
        assert isinstance(backbone.generate(request, no_progress), Clip), "unusable after a cancelled request"

    def test_threads_do_not_disturb_each_other(self, backbone: Backbone[Any]) -> None:
        if not backbone.capabilities().concurrent:
            pytest.skip("the backbone is not concurrent")
        mode = self.modes(backbone)[-1]
        alone = [self._clip(backbone, mode, seed=seed) for seed in range(3)]
        with ThreadPoolExecutor(3) as pool:
            together = list(pool.map(lambda seed: self._clip(backbone, mode, seed=seed), range(3)))
        assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))

    def _clip(self, backbone: Backbone[Any], mode: Mode, seed: int = 7, memory_seed: int = 0) -> Frames:
        return backbone.generate(self.request(backbone, mode, seed, memory_seed), no_progress).frames


def _pictures(count: int, width: int, height: int, seed: int) -> Frames:
    random = np.random.default_rng(seed)
    base = random.integers(30, 220, size=(count, 1, 1, 3)).repeat(height, axis=1).repeat(width, axis=2)
    ramp = np.linspace(0, 30, width)[None, None, :, None]
    return np.asarray(base + ramp, dtype=np.uint8)
