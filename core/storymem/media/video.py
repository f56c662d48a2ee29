"""Video files through PyAV: exact masters, H.264 viewing copies, decoding, and joining without re-encoding.

Output is deterministic: no timestamps, no random ids, a fixed number of encoder threads. Files are written
through Python's own file objects, so that a full disk is an error and never a short file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import numpy as np

from storymem.errors import MediaError
from storymem.media.files import media_errors
from storymem.media.sound import SoundTrack, film_sound, read_sound
from storymem.values.clip import Clip, Frames
from storymem.values.sound import Samples

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer

#: Encoder threads. x264's output depends on their number, so it must not follow the machine.
_THREADS = 2
_BT709 = 1
_LIMITED_RANGE = 1
#: x264's macroblock tree reads memory it never wrote: with it, the same frames give other bytes now and then.
_NO_TREE = ("mbtree", "0")


@dataclass(frozen=True, slots=True)
class Codec:
    """How frames become a file.

    Attributes:
        encoder: FFmpeg encoder.
        pixel_format: What the encoder is given.
        container: FFmpeg muxer.
        suffix: File suffix.
        options: Encoder options.
        sound: FFmpeg encoder of the sound, where there is any.
    """

    encoder: str
    pixel_format: str
    container: str
    suffix: str
    options: tuple[tuple[str, str], ...]
    sound: str = "aac"


#: Floats as they are in memory: 384 kB a second, little beside lossless pictures.
_EXACT_SOUND = "pcm_f32le"
#: Bit-exact RGB, bit-exact sound.
LOSSLESS = Codec("libx264rgb", "rgb24", "matroska", ".mkv", (("qp", "0"), ("preset", "ultrafast")), _EXACT_SOUND)
#: RGB without chroma subsampling, about 45 dB; bit-exact sound.
SMALL = Codec(
    "libx264rgb", "rgb24", "matroska", ".mkv", (("crf", "12"), ("preset", "veryfast"), _NO_TREE), _EXACT_SOUND
)
MASTERS = {"lossless": LOSSLESS, "small": SMALL}


def viewing_codec(crf: int) -> Codec:
    """Return H.264 in MP4 as every player reads it; ``crf`` from 0 (best) to 51."""
    # No B-frames: packets of separately encoded shots then join in order, without edit lists.
    options = (("crf", str(crf)), ("preset", "veryfast"), ("bf", "0"), _NO_TREE)
    return Codec("libx264", "yuv420p", "mp4", ".mp4", options)


class VideoWriter:
    """Writes frames, and sound beside them, to one file; use as a context manager.

    On an error the partial file is left to the caller.

    Args:
        path: The file.
        codec: How it is encoded.
        width: Pixels.
        height: Pixels.
        fps: Frames per second.
        sound: 48 kHz stereo in blocks, at least as long as the frames that will be written; None for a silent file.
    """

    def __init__(
        self, path: Path, codec: Codec, width: int, height: int, fps: int, sound: Iterable[Samples] | None = None
    ) -> None:
        import av

        self._codec = codec
        self._file: IO[bytes] = path.open("wb")
        self._container: OutputContainer = av.open(
            self._file, "w", format=codec.container, container_options={"fflags": "+bitexact"}
        )
        stream = cast(
            "av.VideoStream", self._container.add_stream(codec.encoder, rate=fps, options=dict(codec.options))
        )
        stream.width, stream.height, stream.pix_fmt = width, height, codec.pixel_format
        context = stream.codec_context
        context.time_base = Fraction(1, fps)
        context.thread_count = _THREADS
        context.flags |= av.codec.context.Flags.bitexact
        if codec.pixel_format.startswith("yuv"):
            context.color_primaries = context.color_trc = context.colorspace = _BT709
            context.color_range = _LIMITED_RANGE
        self._stream = stream
        self._sound = None if sound is None else SoundTrack(self._container, codec.sound, sound, fps)
        self._count = 0

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                self._container.mux(self._stream.encode(None))
                if self._sound is not None:
                    self._sound.finish()
                self._container.close()
                self._file.flush()
                os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def write(self, frames: Iterable[Frames]) -> None:
        """Append frames, each uint8 RGB (H, W, 3)."""
        for frame in frames:
            picture = _video_frame(frame, self._codec.pixel_format)
            picture.pts = self._count
            picture.time_base = self._stream.codec_context.time_base
            self._count += 1
            self._container.mux(self._stream.encode(picture))
            if self._sound is not None:
                self._sound.reach(self._count)


def _video_frame(frame: Frames, pixel_format: str) -> av.VideoFrame:
    import av

    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    if pixel_format == "rgb24":
        return picture
    return picture.reformat(format=pixel_format, dst_colorspace="ITU709", dst_color_range="MPEG")


def write_clip(path: Path, clip: Clip, codec: Codec) -> None:
    """Write a clip, with its sound if it has any, to ``path`` and flush it to the disk.

    Raises:
        MediaError: Disk full, no such encoder, or another reason the file cannot be written.
    """
    what, size = f"{path}: cannot write video", (clip.width, clip.height)
    sound = None if clip.sound is None else [clip.sound.samples]
    with media_errors(what), VideoWriter(path, codec, *size, clip.fps, sound) as writer:
        writer.write(clip.frames)


def iter_frames(path: Path) -> Iterator[Frames]:
    """Yield the frames of a video file, uint8 RGB (H, W, 3), one at a time."""
    import av

    # A file object and never the path: FFmpeg would take a colon in it for a protocol, and open addresses.
    with media_errors(f"{path}: cannot be read as video"), path.open("rb") as file, av.open(file, "r") as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def read_clip(path: Path, fps: int) -> Clip:
    """Read all frames of a video file, and its sound if it has any.

    The sound of a master comes back bit for bit; that of other files, whose encoders begin and end it a little off,
    is cut or filled with silence to the length of the frames.
    """
    frames = list(iter_frames(path))
    if not frames:
        raise MediaError(f"{path}: has no frames")
    sound = read_sound(path)
    return Clip(np.stack(frames), fps, None if sound is None else film_sound(sound, len(frames), fps))


def join_copies(path: Path, parts: Sequence[Path], fps: int, sound: Iterable[Samples] | None = None) -> int:
    """Join viewing copies of equal size and codec without re-encoding their pictures.

    Args:
        path: The film.
        parts: Viewing copies; their own sound is not used, since that of separately encoded copies does not join
            without gaps.
        fps: Frames per second.
        sound: The film's sound, 48 kHz stereo in blocks; None for a silent film.

    Returns:
        The number of frames written.

    Raises:
        MediaError: A part cannot be read, or the file cannot be written.
    """
    import av

    with media_errors(f"{path}: cannot join shots"), path.open("wb") as file:
        out = av.open(file, "w", format="mp4", container_options={"fflags": "+bitexact"})
        stream, track = None, None
        count = 0
        for part in parts:
            with part.open("rb") as copy, av.open(copy, "r") as source:
                if stream is None:
                    stream = out.add_stream_from_template(source.streams.video[0])
                    track = None if sound is None else SoundTrack(out, "aac", sound, fps)
                count += _copy_packets(source, out, stream, track, count, fps)
        if track is not None:
            track.finish()
        out.close()
        file.flush()
        os.fsync(file.fileno())
    return count


def _copy_packets(
    source: av.container.InputContainer,
    out: OutputContainer,
    stream: av.VideoStream,
    track: SoundTrack | None,
    start: int,
    fps: int,
) -> int:
    count = 0
    for packet in source.demux(video=0):
        if packet.size:
            packet.stream = stream
            packet.time_base = Fraction(1, fps)
            packet.pts = packet.dts = start + count
            packet.duration = 1
            out.mux(packet)
            count += 1
            if track is not None:
                track.reach(start + count)
    return count


def count_frames(path: Path) -> int:
    """Return the number of video packets of a file, without decoding."""
    import av

    with media_errors(f"{path}: cannot be read as video"), path.open("rb") as file, av.open(file, "r") as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)
