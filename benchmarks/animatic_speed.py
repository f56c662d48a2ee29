"""How fast the animatic draws: seconds for one 81-frame shot of 832x480, which plays for 5 seconds.

Usage: python benchmarks/animatic_speed.py [--repeat 3] [--out benchmarks/results/animatic_speed.json]

Draws shots of each mode and of costly framings one after the other, then the same list in two threads. Encoding is
not part of it. CPU seconds are given beside wall seconds because the machine may have other work.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import PIL

from storymem.interfaces import ShotRequest
from storymem.testing import shot_request
from storymem.values.clip import Frames
from storymem_backbones.animatic.backbone import Animatic

FRAMES, WIDTH, HEIGHT = 81, 832, 480
PROMPTS = {
    "wide, pan, foreground grass": "Wide shot of Ada and her dog in a sunny meadow. Slow pan right.",
    "close-up, soft backdrop": "Close-up of Ada smiling at the beach at sunset. Slow push-in.",
    "medium, three figures": "Medium shot of Ada, Bruno and Cleo arguing in the kitchen. Handheld.",
    "over the shoulder": "Over-the-shoulder shot of Ada facing Bruno in a castle hall.",
    "extreme wide, rain at night": "Extreme wide tracking shot: Bruno runs through the city at night in the rain.",
}


def main() -> None:
    arguments = parse()
    shots = requests()
    for request in shots.values():
        draw(request)  # first-call costs (textures, font) do not count
    rows = {name: best(request, arguments.repeat) for name, request in shots.items()}
    started = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(draw, shots.values()))
    wall = time.perf_counter() - started
    result = {
        "command": "python benchmarks/animatic_speed.py",
        "shot": f"{FRAMES} frames of {WIDTH}x{HEIGHT}, {FRAMES / 16:.2f} s of film",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "pillow": PIL.__version__,
        "seconds_per_shot": rows,
        "two_threads": {
            "shots": len(shots),
            "wall": round(wall, 2),
            "times_real_time": round(len(shots) * FRAMES / 16 / wall, 1),
        },
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3, help="the fastest of so many counts")
    parser.add_argument("--out", type=Path, help="write the result here too")
    return parser.parse_args()


def requests() -> dict[str, ShotRequest]:
    """Return the framings without memory, and one shot with all memory and hand-over (MM2V)."""
    shots = {f"t2v, {name}": request(prompt) for name, prompt in PROMPTS.items()}
    seen = draw(request("Wide shot of Ada and her dog in a sunny meadow. Slow pan right.", frames=9))
    memory = tuple(seen[i] for i in range(8))
    prompt = "Medium shot of Ada and her dog in the meadow. She smiles. Slow push-in."
    shots["mm2v, 8 keyframes, 5 handed over"] = request(prompt, memory=memory, handover=seen[-5:])
    return shots


def request(
    prompt: str, frames: int = FRAMES, memory: tuple[Frames, ...] = (), handover: Frames | None = None
) -> ShotRequest:
    return shot_request(prompt, (WIDTH, HEIGHT), frames, 5, memory=memory, handover=handover)


def draw(wanted: ShotRequest) -> Frames:
    return Animatic().generate(wanted, lambda step, total: None).frames


def best(wanted: ShotRequest, repeat: int) -> dict[str, float]:
    times = []
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        draw(wanted)
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return {"wall": round(min(t[0] for t in times), 2), "cpu": round(min(t[1] for t in times), 2)}


if __name__ == "__main__":
    main()
