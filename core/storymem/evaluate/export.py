"""Films laid out for the original programs of others, which run in environments of their own."""

from __future__ import annotations

import json
from pathlib import Path

from storymem.errors import MediaError
from storymem.evaluate.run import ReadableFilm
from storymem.film.names import safe_title, shot_name
from storymem.media.files import writing
from storymem.media.images import write_png
from storymem.media.video import viewing_codec, write_clip

#: High enough that the encoder changes no score.
_CRF = 10


def export_vbench(film: ReadableFilm, folder: Path) -> str:
    """Write each shot as ``<title>/<scene>_<shot>.mp4`` and the prompts beside them as ``<title>_prompts.json``.

    VBench's ``--mode=custom_input`` takes ``--videos_path`` and ``--prompt_file``, a table of prompts by path; the
    paths are absolute, because VBench looks for others in its own working folder.

    Returns:
        What to run, in one line.

    Raises:
        MediaError: A file cannot be written, or there is no shot.
    """
    videos = _made(folder / safe_title(film.title))
    prompts: dict[str, str] = {}
    for shot in film.shots():
        path = videos / f"{shot_name(shot.shot.id)}.mp4"
        write_clip(path, shot.clip, viewing_codec(_CRF))
        prompts[str(path.resolve())] = shot.shot.shot.prompt
    if not prompts:
        raise MediaError(f"{film.path}: has no shot to export")
    file = folder / f"{videos.name}_prompts.json"
    with writing(file):
        file.write_text(json.dumps(prompts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return f"vbench evaluate --mode=custom_input --videos_path {videos} --prompt_file {file} --dimension ..."


def export_vistorybench(film: ReadableFilm, folder: Path) -> str:
    """Write the first frame of each shot as ``shots/<title>/<nn>.png``, numbered from 00 in story order.

    Returns:
        What was written, in one line.

    Raises:
        MediaError: A file cannot be written.
    """
    stills = _made(folder / "shots" / safe_title(film.title))
    count = 0
    for shot in film.shots():
        write_png(stills / f"{shot.shot.position:02d}.png", shot.clip.frames[0])
        count += 1
    if not count:
        raise MediaError(f"{film.path}: has no shot to export")
    return f"{stills}: {count} stills"


def _made(folder: Path) -> Path:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder
