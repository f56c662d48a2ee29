"""Sound: exact in masters, in time with the frames of the film, heard by nothing that remembers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from core_support import chain, published, shot, story
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storymem.api import Storyteller
from storymem.errors import MediaError, ShotError
from storymem.export.run import export_run
from storymem.film.sound import ShotSound, SoundPart, joined_sound
from storymem.interfaces import Backbone, Capabilities, Progress, ShotRequest
from storymem.media.sound import film_sound, read_sound
from storymem.media.video import LOSSLESS, SMALL, count_frames, read_clip, viewing_codec, write_clip
from storymem.runs import open_run
from storymem.store.objects import file_digest
from storymem.testing import FakeBackbone, FakeBackboneSettings
from storymem.testing.backbone import BackboneContract
from storymem.values.clip import Clip, Frames, pixel_hash
from storymem.values.files import FileRef
from storymem.values.sound import CHANNELS, RATE, Samples, Sound, samples_of

FPS = 8


def noise(frames: int, fps: int = FPS, seed: int = 0) -> Sound:
    random = np.random.default_rng(seed)
    return Sound(random.uniform(-1, 1, (CHANNELS, samples_of(frames, fps))).astype(np.float32), RATE)


def pictures(count: int) -> Frames:
    return np.random.default_rng(count).integers(0, 256, (count, 16, 32, 3), dtype=np.uint8)


def heard(path: Path) -> Samples:
    sound = read_sound(path)
    assert sound is not None
    return sound.samples


def pitch(samples: Samples) -> list[float]:
    """Return the strongest frequency of each side, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.shape[1]), axis=1))
    return list(spectrum.argmax(axis=1) * RATE / samples.shape[1])


# -- values -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros((2, 5)), "float32, got float64"),
        (np.zeros(5, np.float32), "1 or 2 channels"),
        (np.zeros((3, 5), np.float32), "1 or 2 channels"),
        (np.full((2, 5), 1.5, np.float32), "from -1 to 1"),
        (np.full((2, 5), np.nan, np.float32), "from -1 to 1"),
    ],
)
def test_what_is_no_sound_is_refused_in_one_line(samples: Any, said: str) -> None:
    with pytest.raises(MediaError, match=said):
        Sound(samples, RATE)


def test_a_clip_refuses_sound_of_another_length_or_rate() -> None:
    for sound in (noise(8), Sound(noise(9).samples, 44100), Sound(noise(9).samples[:1], RATE)):
        with pytest.raises(MediaError, match="film_sound makes it fit"):
            Clip(pictures(9), FPS, sound)
        assert Clip(pictures(9), FPS, film_sound(sound, 9, FPS)).sound is not None


@given(frames=st.integers(1, 9), fps=st.integers(1, 60), first=st.integers(0, 8))
@settings(max_examples=50, deadline=None)
def test_a_part_of_a_clip_has_the_sound_of_its_frames(frames: int, fps: int, first: int) -> None:
    clip = Clip(pictures(frames), fps, noise(frames, fps))
    cut = clip.cut(min(first, frames - 1))
    assert cut.sound is not None
    assert clip.sound is not None
    start = samples_of(min(first, frames - 1), fps)
    there = min(len(cut.sound), len(clip.sound) - start)
    assert len(cut.sound) - there <= 1
    assert np.array_equal(cut.sound.samples[:, :there], clip.sound.samples[:, start : start + there])


def test_the_hash_of_a_clip_covers_its_sound_and_a_silent_one_keeps_its_old_hash() -> None:
    silent, loud, other = (Clip(pictures(3), FPS, sound) for sound in (None, noise(3), noise(3, seed=1)))
    assert silent.content_hash() == pixel_hash(silent.frames)
    assert len({clip.content_hash() for clip in (silent, loud, other)}) == 3


def test_another_rate_keeps_pitch_and_length() -> None:
    wave = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050).astype(np.float32)[None] / 2
    made = film_sound(Sound(wave, 22050), 8, FPS)
    assert made.samples.shape == (CHANNELS, RATE)
    assert pitch(made.samples) == pytest.approx([440, 440], abs=1)
    assert np.abs(made.samples).max() == pytest.approx(0.5, abs=0.02)


# -- files ------------------------------------------------------------------------------------------------


@given(frames=st.integers(1, 12), fps=st.integers(1, 60), seed=st.integers(0, 9))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_master_gives_back_every_sample(tmp_path: Path, frames: int, fps: int, seed: int) -> None:
    clip = Clip(pictures(frames), fps, noise(frames, fps, seed))
    write_clip(tmp_path / "master.mkv", clip, LOSSLESS)
    assert read_clip(tmp_path / "master.mkv", fps).content_hash() == clip.content_hash()
    assert count_frames(tmp_path / "master.mkv") == frames
    write_clip(tmp_path / "small.mkv", clip, SMALL)
    assert np.array_equal(heard(tmp_path / "small.mkv"), noise(frames, fps, seed).samples)


def test_a_viewing_copy_has_aac_in_time_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    samples = np.zeros((CHANNELS, samples_of(16, FPS)), np.float32)
    samples[:, RATE : RATE + 4800] = np.sin(np.arange(4800) / 8)
    clip = Clip(pictures(16), FPS, Sound(samples, RATE))
    for name in ("a.mp4", "b.mp4"):
        write_clip(tmp_path / name, clip, viewing_codec(18))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.layout.name) == ("aac", RATE, "stereo")
    loud = np.flatnonzero(np.abs(heard(tmp_path / "a.mp4")[0]) > 0.3)
    assert abs(loud[0] - RATE) < 200
    assert abs(loud[-1] - (RATE + 4800)) < 200


# -- joining ----------------------------------------------------------------------------------------------


@given(
    shots=st.lists(st.tuples(st.integers(4, 9), st.integers(0, 2), st.integers(0, 2), st.booleans()), min_size=1),
    fps=st.sampled_from([7, 8, 24]),
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_film_sounds_as_its_frames_are_cut(
    tmp_path: Path, shots: list[tuple[int, int, int, bool]], fps: int
) -> None:
    """Against a plain mix: every shot laid at the time of its frames, faded where two of them blend."""
    parts = []
    length = sum(frames - drop for frames, drop, _, _ in shots) - sum(overlap for *_, overlap, _ in shots[1:])
    expected = np.zeros((CHANNELS, samples_of(length, fps)))
    position = 0
    for index, (frames, drop, overlap, sounds) in enumerate(shots):
        path = tmp_path / f"{index}.mkv"
        sound = noise(frames, fps, index)
        write_clip(path, Clip(pictures(frames), fps, sound), LOSSLESS)
        first = samples_of(drop, fps)
        parts.append(
            SoundPart(ShotSound(FileRef(path, file_digest(path)), first) if sounds else None, frames - drop, overlap)
        )
        start = position - (overlap if index else 0)
        position = start + frames - drop
        begin, end = samples_of(start, fps), samples_of(position, fps)
        own = sound.part(first, end - begin).samples * sounds
        weight = np.ones(end - begin)
        fade = samples_of(start + overlap, fps) - begin if index else 0
        weight[:fade] = (np.arange(fade) + 0.5) / max(fade, 1)
        expected[:, begin : begin + fade] *= 1 - weight[:fade]
        expected[:, begin:end] += own * weight
    made = np.concatenate(list(joined_sound(parts, fps)), axis=1)
    assert made.shape == expected.shape
    assert np.allclose(made, expected, atol=1e-6)


# -- films ------------------------------------------------------------------------------------------------


def sounding(**others: Any) -> FakeBackbone:
    return FakeBackbone(FakeBackboneSettings(sound=True, **others))


def test_a_film_of_clips_with_sound(tmp_path: Path) -> None:
    script = story([shot("p1"), shot("p2", cut=False)], [shot("p3", transition={"name": "dissolve", "frames": 2})])
    with Storyteller(tmp_path / "run", backbone=sounding(), continuation="first_frame") as teller:
        result = teller.render(script)
    assert result.film is not None
    with open_run(tmp_path / "run") as run:
        takes = run.store.takes()
        masters = [read_clip(run.store.file_ref(take.master).path, FPS) for take in takes]
    assert [clip.content_hash() for clip in masters] == [take.clip for take in takes]
    assert all(take.request["sound"] for take in takes)
    tones = [clip.sound.samples for clip in masters if clip.sound is not None]
    film = heard(result.film)
    frames = 9 + 8 + 9 - 2
    assert count_frames(result.film) == frames
    assert abs(film.shape[1] - samples_of(frames, FPS)) < 2048  # AAC comes in packets of 1024
    for start, end, tone in ((0, 8, 0), (9, 15, 1), (18, 24, 2)):
        part = film[:, samples_of(start, FPS) : samples_of(end, FPS)]
        assert pitch(part) == pytest.approx(pitch(tones[tone]), abs=3)
    copy = read_sound(tmp_path / "run" / "shots" / "01_02.mp4")
    assert copy is not None
    assert abs(len(copy) - samples_of(8, FPS)) < 2048


def test_a_finished_film_keeps_the_sound_in_time(tmp_path: Path) -> None:
    script = chain(2, cut=False)
    finish = [{"name": "resize", "scale": 2}, {"name": "interpolate", "fps": 16, "mode": "repeat"}]
    for name, finishers in (("plain", []), ("finished", finish)):
        with Storyteller(tmp_path / name, backbone=sounding(), finish=finishers) as teller:
            teller.render(script)
    plain, finished = (heard(tmp_path / name / "film.mp4") for name in ("plain", "finished"))
    assert np.array_equal(plain, finished)
    assert count_frames(tmp_path / "finished" / "film.mp4") == 2 * count_frames(tmp_path / "plain" / "film.mp4")
    assert abs(heard(tmp_path / "finished" / "shots" / "01_02.mp4").shape[1] - samples_of(8, FPS)) < 2048


def test_memory_and_handed_over_frames_ignore_sound(tmp_path: Path) -> None:
    script = chain(3, cut=False)
    for name, backbone in (("silent", FakeBackbone()), ("sounding", sounding())):
        with Storyteller(tmp_path / name, backbone=backbone) as teller:
            teller.render(script)
    silent, loud = (published(tmp_path / name) for name in ("silent", "sounding"))
    keyframes = [name for name in silent if name.startswith("keyframes")]
    assert keyframes
    assert [silent[name] for name in keyframes] == [loud[name] for name in keyframes]
    with av.open(str(tmp_path / "silent" / "film.mp4")) as container:
        assert not container.streams.audio


class Mixed(FakeBackbone):
    """Has sound exactly where its capabilities say that it has none."""

    says = True

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), sound=self.says)

    def generate(self, request: ShotRequest, progress: Progress) -> Clip:
        clip = super().generate(request, progress)
        return Clip(clip.frames, clip.fps, None if self.says else noise(len(clip)))


@pytest.mark.parametrize(("says", "line"), [(True, "returned no sound; .* makes some"), (False, "sound; .* none")])
def test_a_backbone_that_breaks_its_word_is_named(tmp_path: Path, says: bool, line: str) -> None:
    backbone = Mixed()
    backbone.says = says
    with Storyteller(tmp_path / "run", backbone=backbone) as teller, pytest.raises(ShotError, match=line):
        teller.render(chain(1))


class TestSounding(BackboneContract):
    """The contract holds for a backbone with sound."""

    @pytest.fixture
    def backbone(self) -> Backbone[Any]:
        return sounding()


def test_copies_for_editing_programs_have_the_sound_of_the_masters(tmp_path: Path) -> None:
    with Storyteller(tmp_path / "run", backbone=sounding()) as teller:
        teller.render(chain(1))
        with open_run(tmp_path / "run") as run:
            master = heard(run.store.file_ref(run.store.takes()[0].master).path)
    export_run(tmp_path / "run", "csv", media="prores", out=tmp_path / "cut.csv")
    assert np.abs(heard(tmp_path / "cut_media" / "01_01.mov") - master).max() < 2**-22  # 24 bits
