"""The hpsv3 filter against programs that behave and misbehave, and the worker that ships with it."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from storymem.errors import PluginError, SettingsError
from storymem.plugin import Kind, PluginHost
from storymem_plugins.selection import hpsv3
from storymem_plugins.selection.hpsv3 import HpsFilter, HpsSettings

PROGRAM = Path(__file__).with_name("scoring_program.py")


@pytest.fixture
def scorer(tmp_path):
    made = []

    def make(behaviour, **settings):
        command = (sys.executable, "-S", str(PROGRAM), behaviour, str(tmp_path / "starts"))
        made.append(HpsFilter(HpsSettings(command=command, **{"start_timeout": 30, "timeout": 30, **settings})))
        return made[-1]

    yield make
    for one in made:
        one.close()
    assert "storymem-line-process" not in [thread.name for thread in threading.enumerate()]


@pytest.fixture
def starts(tmp_path):
    return lambda: int((tmp_path / "starts").read_text())


@pytest.fixture
def context(numbered, context_of):
    return context_of(numbered(3))


def test_scores_and_threshold(scorer, context, starts):
    verdicts = scorer("steady").judge([0, 2], context)
    assert [(v.keep, v.score, v.threshold) for v in verdicts] == [(True, 3.5, 3.0)] * 2
    (verdict,) = scorer("steady", threshold=4).judge([1], context)
    assert (verdict.keep, verdict.reason) == (False, "low quality")
    assert starts() == 2


def test_one_process_serves_many_frames(scorer, context, starts):
    frame_filter = scorer("steady")
    for index in range(3):
        frame_filter.judge([index], context)
    assert starts() == 1


def test_the_program_gets_the_very_frame(scorer, context_of):
    plain = np.zeros((1, 40, 40, 3), dtype=np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (1, 40, 40, 3), dtype=np.uint8)
    context = context_of(np.concatenate([plain, noise]))
    first, second = scorer("size", threshold=0).judge([0, 1], context)
    assert first.score < 1000 < second.score


@pytest.mark.parametrize("behaviour", ["hangs_once", "dies_once"])
def test_restarted_after_a_failure(scorer, context, starts, behaviour):
    (verdict,) = scorer(behaviour, timeout=2).judge([0], context)
    assert verdict.score == 3.5
    assert starts() == 2


@pytest.mark.parametrize(
    ("behaviour", "settings", "says"),
    [
        ("hangs", {"timeout": 0.3}, "no answer within 0.3 s"),
        ("never_ready", {"start_timeout": 0.3}, "no answer within 0.3 s"),
        ("dies_at_start", {}, "it ended; its last words: ImportError: no hpsv3 here"),
        ("dies_once", {}, "it ended; its last words: out of memory"),
        ("nonsense", {}, "it wrote 'Loading checkpoint shards: 100%' where a JSON object was due"),
        ("list", {}, "it wrote '[]' where a JSON object was due"),
        ("unready", {}, 'it wrote {} where {"ready": true} was due'),
        ("nan", {}, "has no finite score for request 1"),
        ("wrong_id", {}, "has no finite score for request 1"),
    ],
)
def test_failure_is_one_clear_line(scorer, context, starts, behaviour, settings, says):
    with pytest.raises(PluginError) as caught:
        scorer(behaviour, restarts=0, **settings).judge([0], context)
    message = str(caught.value)
    assert message.startswith("filter hpsv3: the scoring process failed: ")
    assert says in message
    assert "\n" not in message
    assert starts() == 1


def test_gives_up_after_the_allowed_restarts(scorer, context, starts):
    with pytest.raises(PluginError, match="it ended"):
        scorer("dies_at_start", restarts=2).judge([0], context)
    assert starts() == 3


def test_the_programs_own_error_is_passed_on(scorer, context, starts):
    with pytest.raises(PluginError, match=r"^filter hpsv3: the scoring process says: the picture is broken$"):
        scorer("error").judge([0], context)
    assert starts() == 1


def test_missing_program(context):
    frame_filter = HpsFilter(HpsSettings(python="/no/such/python", restarts=0))
    with pytest.raises(PluginError, match="/no/such/python cannot be started: No such file"):
        frame_filter.judge([0], context)


@pytest.mark.parametrize("settings", [{}, {"python": "x", "command": ["y"]}])
def test_one_program_must_be_named(settings):
    with pytest.raises(SettingsError, match=r"filter 'hpsv3': set either python .* or command"):
        PluginHost().build(Kind.FRAME_FILTER, "hpsv3", settings)


def test_fingerprint_knows_results_not_places():
    here = HpsFilter(HpsSettings(python="/a", timeout=1)).fingerprint()
    assert HpsFilter(HpsSettings(python="/b", device="cpu", timeout=2)).fingerprint() == here
    assert HpsFilter(HpsSettings(python="/a", threshold=2)).fingerprint() != here


FAKE_HPSV3 = """
print("a library that prints to standard output")
class Number(float):
    def item(self):
        return float(self)
class HPSv3RewardInferencer:
    def __init__(self, device):
        self.device = device
    def reward(self, image_paths, prompts):
        if prompts == ["fail"]:
            raise ValueError("two\\nlines")
        print("scoring")
        return [[Number(len(self.device) + open(path, "rb").read().count(b"PNG")), Number(9)] for path in image_paths]
"""


@pytest.fixture
def environment_with_hpsv3(tmp_path, monkeypatch):
    (tmp_path / "hpsv3.py").write_text(FAKE_HPSV3)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.usefixtures("environment_with_hpsv3")
def test_shipped_worker(context):
    frame_filter = HpsFilter(HpsSettings(python=sys.executable, device="gpu:0"))
    (verdict,) = frame_filter.judge([0], context)
    assert verdict.score == 6.0
    frame_filter.close()


@pytest.mark.usefixtures("environment_with_hpsv3")
def test_shipped_worker_tells_its_errors(context):
    frame_filter = HpsFilter(HpsSettings(python=sys.executable, prompt="fail"))
    with pytest.raises(PluginError, match=r"says: ValueError: two lines$"):
        frame_filter.judge([0], context)
    frame_filter.close()


def test_shipped_worker_needs_nothing_of_storymem():
    code = (
        f"import runpy, sys; runpy.run_path({str(hpsv3._WORKER)!r})\n"
        "sys.exit(any(m.startswith('storymem') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-I", "-c", code], check=False).returncode == 0
