"""Sound in media files through PyAV: written in time with frames, read back, and converted to what films carry.

Masters hold the 32-bit floats as they are, so a sound comes back bit for bit; copies for people hold AAC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from storymem.errors import MediaError
from storymem.media.files import media_errors
from storymem.values.sound import CHANNELS, RATE, Samples, Sound, samples_of

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer

_LAYOUTS = {1: "mono", 2: "stereo"}
#: The sample format that each encoder is given.
_FORMATS = {"pcm_f32le": "flt", "pcm_s24le": "s32", "aac": "fltp"}
#: Bits a second of AAC in stereo: FFmpeg's encoder is transparent for most listeners from here on.
_AAC_RATE = 192_000


class SoundTrack:
    """Writes sound into an open container, in time with its frames.

    Args:
        container: The file; nothing must have been written to it yet.
        encoder: FFmpeg encoder.
        blocks: The sound, 48 kHz stereo, in blocks of any length.
        fps: Frames per second of the pictures.
    """

    def __init__(self, container: OutputContainer, encoder: str, blocks: Iterable[Samples], fps: int) -> None:
        import av

        self._container = container
        self._fps = fps
        self._blocks = iter(blocks)
        self._ready: Samples = np.zeros((CHANNELS, 0), np.float32)
        self._written = 0
        self._stream = cast("av.AudioStream", container.add_stream(encoder, rate=RATE))
        context = self._stream.codec_context
        context.layout, context.format = _LAYOUTS[CHANNELS], _FORMATS[encoder]
        context.time_base = Fraction(1, RATE)
        context.flags |= av.codec.context.Flags.bitexact
        if encoder == "aac":
            context.bit_rate = _AAC_RATE

    def reach(self, frames: int) -> None:
        """Write what is heard until the end of the first ``frames`` frames: players want both side by side.

        Raises:
            MediaError: The sound ends before.
        """
        missing = samples_of(frames, self._fps) - self._written
        while self._ready.shape[1] < missing:
            block = next(self._blocks, None)
            if block is None:
                raise MediaError("the sound is shorter than the pictures; this is a bug, please report it")
            self._ready = np.concatenate([self._ready, block], axis=1)
        if missing:
            self._write(self._ready[:, :missing])
            self._ready = self._ready[:, missing:]

    def finish(self) -> None:
        """Write what the encoder holds back."""
        self._container.mux(self._stream.encode(None))

    def _write(self, samples: Samples) -> None:
        frame = audio_frame(samples, RATE, self._stream.codec_context.format.name)
        frame.pts, frame.time_base = self._written, Fraction(1, RATE)
        self._written += samples.shape[1]
        self._container.mux(self._stream.encode(frame))


def audio_frame(samples: Samples, rate: int, sample_format: str = "fltp") -> av.AudioFrame:
    """Return samples, float32 (channels, n), as FFmpeg takes them: ``fltp``, ``flt`` or ``s32``."""
    import av

    layout = _LAYOUTS[samples.shape[0]]
    if sample_format == "fltp":
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
    elif sample_format == "flt":
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T).reshape(1, -1), "flt", layout)
    else:
        whole = np.rint(samples.T.astype(np.float64) * (2**31 - 1)).astype(np.int32)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole).reshape(1, -1), "s32", layout)
    frame.sample_rate = rate
    return frame


def iter_sound(path: Path) -> Iterator[Samples]:
    """Yield the sound of a media file as 48 kHz stereo, in blocks; nothing if it has none.

    What has that form already comes as it is stored, without conversion.

    Raises:
        MediaError: The file cannot be read.
    """
    import av

    with media_errors(f"{path}: cannot be read as sound"), path.open("rb") as file, av.open(file, "r") as container:
        if not container.streams.audio:
            return
        resampler = None
        for frame in container.decode(audio=0):
            if resampler is None and (plain := _plain(frame)) is not None:
                yield plain
                continue
            resampler = resampler or av.AudioResampler("fltp", _LAYOUTS[CHANNELS], RATE)
            yield from _converted(resampler, frame)
        if resampler is not None:
            yield from _converted(resampler, None)


def _plain(frame: av.AudioFrame) -> Samples | None:
    """Return the samples of a frame that needs no conversion, else None."""
    if frame.sample_rate != RATE or frame.layout.name != _LAYOUTS[CHANNELS]:
        return None
    if frame.format.name == "flt":
        return np.ascontiguousarray(frame.to_ndarray().reshape(-1, CHANNELS).T)
    return _bounded(frame.to_ndarray()) if frame.format.name == "fltp" else None


def _converted(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Iterator[Samples]:
    return (_bounded(made.to_ndarray()) for made in resampler.resample(frame))


def _bounded(samples: NDArray[Any]) -> Samples:
    """Return samples within -1..1, which decoders and filters overshoot."""
    return np.asarray(samples, dtype=np.float32).clip(-1, 1)


def read_sound(path: Path) -> Sound | None:
    """Return all sound of a media file as 48 kHz stereo; None if it has none.

    Raises:
        MediaError: The file cannot be read.
    """
    blocks = list(iter_sound(path))
    return Sound(np.concatenate(blocks, axis=1), RATE) if blocks else None


def resampled(sound: Sound) -> Sound:
    """Return a sound as 48 kHz stereo; mono goes to both sides at equal strength."""
    import av

    samples = sound.samples if len(sound.samples) == CHANNELS else np.repeat(sound.samples, CHANNELS, axis=0)
    if sound.rate == RATE or not len(sound):
        return Sound(samples, RATE)
    resampler = av.AudioResampler("fltp", _LAYOUTS[CHANNELS], RATE)
    blocks = [*_converted(resampler, audio_frame(samples, sound.rate)), *_converted(resampler, None)]
    return Sound(np.concatenate(blocks, axis=1), RATE)


def film_sound(sound: Sound, frames: int, fps: int) -> Sound:
    """Return a sound as a clip of so many frames carries it: 48 kHz stereo, cut or filled with silence at its end."""
    return resampled(sound).part(0, samples_of(frames, fps))
