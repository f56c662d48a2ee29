"""Video and picture files: masters exact, copies that play, joins without loss, errors that name the file."""

from __future__ import annotations

import io
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from core_support import clean_environ
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from storymem.errors import DiskFull, MediaError
from storymem.media.images import MAX_SIDE, read_reference
from storymem.media.video import (
    LOSSLESS,
    SMALL,
    count_frames,
    iter_frames,
    join_copies,
    read_clip,
    viewing_codec,
    write_clip,
)
from storymem.values.clip import Clip, Frames, pixel_hash
from storymem.values.picture import encode_png, read_png

FPS = 8


def noise(seed: int, frames: int, height: int, width: int) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def smooth(seed: int, frames: int, height: int, width: int) -> Frames:
    """Return moving gradients, which survive chroma subsampling."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [
        np.stack([128 + 100 * np.sin((x * a + y * b) / 40 + t / 9 + c) for a, b, c in random.uniform(0, 2, (3, 3))], -1)
        for t in range(frames)
    ]
    return np.stack(waves).astype(np.uint8)


def mean_error(one: Frames, other: Frames) -> float:
    difference: NDArray[np.float64] = np.abs(one.astype(float) - other.astype(float))
    return float(difference.mean())


@given(
    seed=st.integers(0, 99),
    frames=st.integers(1, 9),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    fps=st.integers(1, 60),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_master_gives_back_every_bit(tmp_path: Path, seed: int, frames: int, size: tuple[int, int], fps: int) -> None:
    clip = Clip(noise(seed, frames, *size), fps)
    path = tmp_path / "master.mkv"
    write_clip(path, clip, LOSSLESS)
    back = read_clip(path, fps)
    assert np.array_equal(back.frames, clip.frames)
    assert back.content_hash() == clip.content_hash()
    assert count_frames(path) == frames


@pytest.mark.parametrize("seed", range(3))
def test_a_viewing_copy_plays_with_every_frame_and_near_colours(tmp_path: Path, seed: int) -> None:
    frames = smooth(seed, 13, 48, 64)
    path = tmp_path / "view.mp4"
    write_clip(path, Clip(frames, FPS), viewing_codec(18))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, stream.average_rate) == ("h264", "yuv420p", FPS)
        assert stream.codec_context.colorspace == 1  # BT.709, so that players show the colours that were meant
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert times == pytest.approx([i / FPS for i in range(13)])
    back = read_clip(path, FPS).frames
    assert back.shape == frames.shape
    assert mean_error(back, frames) < 4


def test_quality_follows_the_constant_rate_factor(tmp_path: Path) -> None:
    clip = Clip(noise(0, 5, 48, 64), FPS)
    sizes = []
    for crf in (5, 20, 40):
        write_clip(tmp_path / f"{crf}.mp4", clip, viewing_codec(crf))
        sizes.append((tmp_path / f"{crf}.mp4").stat().st_size)
    assert sizes == sorted(sizes, reverse=True)


def test_a_small_master_is_near_and_a_master_is_larger(tmp_path: Path) -> None:
    clip = Clip(smooth(1, 13, 48, 64), FPS)
    write_clip(tmp_path / "small.mkv", clip, SMALL)
    write_clip(tmp_path / "exact.mkv", clip, LOSSLESS)
    small = read_clip(tmp_path / "small.mkv", FPS).frames
    error = np.mean((small.astype(float) - clip.frames) ** 2)
    assert 10 * np.log10(255**2 / error) > 40
    assert (tmp_path / "small.mkv").stat().st_size < (tmp_path / "exact.mkv").stat().st_size


def test_the_same_frames_give_the_same_bytes_whatever_memory_held_before(tmp_path: Path) -> None:
    """x264 must not read memory it never wrote; glibc fills fresh memory with a given byte to show it."""
    code = (
        "import sys, hashlib, numpy as np\n"
        "from pathlib import Path\n"
        "from storymem.values.clip import Clip\n"
        "from storymem.media.video import *\n"
        "random = np.random.default_rng(0)\n"
        "def moving():\n"
        "    walk = np.cumsum(random.normal(0, 12, (240, 426, 3)), axis=1)\n"
        "    walk = ((walk - walk.min()) / np.ptp(walk) * 255).astype(np.uint8)\n"
        "    return np.stack([walk[:, i : i + 416] for i in range(10)])\n"
        "blocks = random.integers(0, 256, (5, 30, 52, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)\n"
        "frames = np.concatenate([moving(), blocks, moving()])\n"
        "for codec in (LOSSLESS, SMALL, viewing_codec(18), viewing_codec(32)):\n"
        "    write_clip(Path(sys.argv[1]), Clip(frames, 8), codec)\n"
        "    print(hashlib.sha256(Path(sys.argv[1]).read_bytes()).hexdigest())\n"
    )
    found = set()
    for fill in ("0", "1", "170"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / f"{fill}.bin")],
            env=clean_environ(MALLOC_PERTURB_=fill),
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout)
    assert len(found) == 1
    assert len(set(found.pop().split())) == 4


# -- joining ----------------------------------------------------------------------------------------------


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4))
@settings(max_examples=8, deadline=None)
def test_joined_copies_decode_to_their_parts(lengths: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        parts = []
        for index, length in enumerate(lengths):
            parts.append(Path(folder, f"{index}.mp4"))
            write_clip(parts[-1], Clip(noise(index, length, 16, 32), FPS), viewing_codec(18))
        film = Path(folder, "film.mp4")
        assert join_copies(film, parts, FPS) == sum(lengths) == count_frames(film)
        expected = [frame for part in parts for frame in iter_frames(part)]
        assert all(np.array_equal(a, b) for a, b in zip(iter_frames(film), expected, strict=True))
        with av.open(str(film)) as container:
            times = [float(frame.time) for frame in container.decode(video=0)]
        assert times == pytest.approx([i / FPS for i in range(sum(lengths))])


def test_joining_is_deterministic_and_names_a_bad_part(tmp_path: Path) -> None:
    part = tmp_path / "part.mp4"
    write_clip(part, Clip(noise(0, 5, 16, 32), FPS), viewing_codec(18))
    join_copies(tmp_path / "a.mp4", [part, part], FPS)
    join_copies(tmp_path / "b.mp4", [part, part], FPS)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    (tmp_path / "bad.mp4").write_text("no video")
    with pytest.raises(MediaError, match=r"c\.mp4: cannot join shots: .*bad\.mp4"):
        join_copies(tmp_path / "c.mp4", [part, tmp_path / "bad.mp4"], FPS)


# -- errors -----------------------------------------------------------------------------------------------


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    cut = tmp_path / "cut.mkv"
    write_clip(cut, Clip(noise(0, 9, 32, 32), FPS), LOSSLESS)
    cut.write_bytes(cut.read_bytes()[:200])
    for path in (text, tmp_path / "gone.mp4"):
        for read in (lambda p: list(iter_frames(p)), count_frames, lambda p: read_clip(p, FPS)):
            with pytest.raises(MediaError, match=rf"{path.name}: cannot be read as video: ") as caught:
                read(path)
            assert "\n" not in str(caught.value)
    with pytest.raises(MediaError, match=r"cut\.mkv"):
        read_clip(cut, FPS)


@pytest.mark.parametrize("size", [(15, 16), (16, 15)])
def test_a_size_that_no_player_takes_is_an_error(tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(MediaError, match=r"view\.mp4: cannot write video"):
        write_clip(tmp_path / "view.mp4", Clip(noise(0, 1, *size), FPS), viewing_codec(18))


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot write video"):
        write_clip(tmp_path / "gone" / "view.mp4", Clip(noise(0, 1, 16, 16), FPS), LOSSLESS)


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Let no file grow beyond 4000 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("codec", [LOSSLESS, SMALL, viewing_codec(5)])
def test_a_full_disk_is_an_error_and_never_a_short_file(tmp_path: Path, codec: object) -> None:
    with pytest.raises(DiskFull, match=r"cannot write video: .*File too large"):
        write_clip(tmp_path / "master.mkv", Clip(noise(0, 40, 64, 64), FPS), codec)  # type: ignore[arg-type]


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_while_joining_is_an_error(tmp_path: Path) -> None:
    part = tmp_path / "part.mp4"
    write_clip(part, Clip(noise(0, 1, 16, 32), FPS), viewing_codec(18))
    assert part.stat().st_size < 4000
    with pytest.raises(DiskFull, match=r"film\.mp4: cannot join shots"):
        join_copies(tmp_path / "film.mp4", [part] * 40, FPS)


# -- pictures ---------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 99), size=st.tuples(st.integers(1, 30), st.integers(1, 30)))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_stored_picture_gives_back_every_bit(tmp_path: Path, seed: int, size: tuple[int, int]) -> None:
    frame = noise(seed, 1, *size)[0]
    data = encode_png(frame)
    assert data == encode_png(frame.copy(order="F"))
    (tmp_path / "a.png").write_bytes(data)
    back = read_png(tmp_path / "a.png")
    assert np.array_equal(back, frame)
    assert pixel_hash(back) == pixel_hash(frame)


def test_equal_bytes_of_another_shape_have_another_hash() -> None:
    flat = np.zeros((1, 4, 3), np.uint8)
    assert pixel_hash(flat) != pixel_hash(flat.reshape(2, 2, 3))
    assert pixel_hash(flat) == pixel_hash(np.zeros((4, 1, 3), np.uint8).transpose(1, 0, 2))


def test_references_come_upright_opaque_and_in_colour(tmp_path: Path) -> None:
    picture = Image.new("RGB", (4, 2), (200, 10, 10))
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter
    picture.save(tmp_path / "turned.jpg", exif=exif)
    assert read_reference(tmp_path / "turned.jpg").shape == (4, 2, 3)

    Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (read_reference(tmp_path / "clear.png") == 255).all()

    Image.new("L", (2, 2), 77).save(tmp_path / "grey.png")
    assert (read_reference(tmp_path / "grey.png") == 77).all()

    Image.new("P", (2, 2)).save(tmp_path / "palette.gif")
    assert read_reference(tmp_path / "palette.gif").shape == (2, 2, 3)


def test_references_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    Image.new("1", (MAX_SIDE + 1, 1)).save(tmp_path / "wide.png")
    (tmp_path / "text.png").write_text("no picture")
    whole = io.BytesIO()
    Image.fromarray(noise(0, 1, 64, 64)[0]).save(whole, "PNG")
    (tmp_path / "cut.png").write_bytes(whole.getvalue()[:3000])
    for name, words in (
        ("wide.png", f"wide.png: {MAX_SIDE + 1}x1 is too large"),
        ("text.png", "text.png: cannot be read as a picture; save it as PNG or JPEG"),
        ("cut.png", "cut.png: cannot be read as a picture"),
        ("gone.png", "gone.png: reference image does not exist"),
    ):
        with pytest.raises(MediaError) as caught:
            read_reference(tmp_path / name)
        assert words in str(caught.value)
        assert str(caught.value).startswith(os.fspath(tmp_path))
