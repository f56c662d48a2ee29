"""Scores pictures with HPSv3 for the ``hpsv3`` filter. A program of its own; needs only hpsv3 and what it brings.

Run in the environment in which hpsv3 is installed; storymem need not be. Writes ``{"ready": true}`` when the model is
loaded. Then reads lines ``{"id": 1, "image": "/path.png", "prompt": ""}`` and answers each with ``{"id": 1, "score":
4.2}`` or ``{"id": 1, "error": "what went wrong"}``. Ends with its input.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import IO, Any

Score = Callable[[str, str], float]


def load(device: str) -> Score:
    """Load HPSv3 and return a function from picture file and prompt to score."""
    inferencer = importlib.import_module("hpsv3").HPSv3RewardInferencer(device=device)

    def score(image: str, prompt: str) -> float:
        rewards: Any = inferencer.reward(image_paths=[image], prompts=[prompt])
        return float(rewards[0][0].item())  # the first number is the mean, the second its uncertainty

    return score


def serve(score: Score, requests: Iterable[str], answers: IO[str]) -> None:
    """Answer every request; a failing one is answered with its error and does not end the program."""
    for line in requests:
        request = json.loads(line)
        answer: dict[str, Any] = {"id": request["id"]}
        try:
            answer["score"] = score(request["image"], request["prompt"])
        except Exception as error:  # told to the asker, who decides
            answer["error"] = f"{type(error).__name__}: {error}".replace("\n", " ")
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description="Score pictures with HPSv3, one JSON line each.")
    parser.add_argument("--device", default="cuda")
    device = parser.parse_args().device
    # Libraries print to standard output; only answers may go there.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    score = load(device)
    answers.write('{"ready": true}\n')
    answers.flush()
    serve(score, sys.stdin, answers)


if __name__ == "__main__":
    main()
