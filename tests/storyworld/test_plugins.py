from pathlib import Path

import numpy as np
import pytest
import torch

from storymem.errors import SettingsError
from storymem.interfaces import Brief, FinishedShot
from storymem.plugin import Kind, PluginHost
from storymem.testing.metric import ListedFilm, MetricContract
from storymem.testing.planner import PlannerContract
from storymem.values.clip import Clip
from storymem.values.storyboard import Storyboard
from storymem_storyworld.draw.render import render
from storymem_storyworld.measure.metric import StoryworldMetric
from storymem_storyworld.readout.read import Readout, ReadoutConfig, save_readout
from storymem_storyworld.settings import EpisodeSettings, ReadoutSettings
from storymem_storyworld.stories.episodes import sample_episode, story_script
from storymem_storyworld.stories.planner import EpisodePlanner


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("readout")
    save_readout(Readout(ReadoutConfig((8, 16, 16), 16, 2)), folder)
    return folder


class TestStoryworldMetric(MetricContract):
    @pytest.fixture
    def metric(self, folder: Path) -> StoryworldMetric:
        return StoryworldMetric(ReadoutSettings(readout=folder))


def test_the_metric_measures_a_film_of_an_episode(folder: Path) -> None:
    episode = sample_episode(1, "easy")
    board = Storyboard(story_script(episode))
    pictures = render([shot.spec for shot in episode.shots], frames=3, height=48, width=80)
    frames = ((pictures + 1) * 127.5).round().byte().permute(0, 1, 3, 4, 2).numpy()
    finished = [
        FinishedShot(shot, Clip(np.ascontiguousarray(clip), 8), ()) for shot, clip in zip(board, frames, strict=True)
    ]
    numbers = StoryworldMetric(ReadoutSettings(readout=folder)).measure(ListedFilm(board, finished))
    assert {"presence", "place_drift", "adherence/place", "adherence/motion"} <= numbers.keys()


def test_a_missing_readout_is_one_clear_line(tmp_path: Path) -> None:
    metric = StoryworldMetric(ReadoutSettings(readout=tmp_path))
    board = Storyboard(story_script(sample_episode(1, "easy")))
    clip = Clip(np.zeros((2, 8, 8, 3), np.uint8), 8)
    with pytest.raises(SettingsError, match="holds no read-out; train one"):
        metric.measure(ListedFilm(board, [FinishedShot(shot, clip, ()) for shot in board]))


class TestEpisodePlanner(PlannerContract):
    @pytest.fixture
    def planner(self) -> EpisodePlanner:
        return EpisodePlanner(EpisodeSettings())


def test_the_planner_draws_the_episode_of_its_seed() -> None:
    planner = EpisodePlanner(EpisodeSettings(tier="medium"))
    script = planner.plan(Brief("A long day", shots=20, seed=4), lambda line: None)
    episode = sample_episode(4, "medium", shots=20)
    assert [shot.prompt for scene in script.scenes for shot in scene.shots] == [s.caption for s in episode.shots]
    assert script.overview == "A long day"


@pytest.mark.parametrize(("shots", "tier"), [(1, "easy"), (12, "easy"), (13, "medium"), (30, "hard"), (90, "hard")])
def test_the_number_of_shots_decides_the_tier(shots: int, tier: str) -> None:
    script = EpisodePlanner(EpisodeSettings()).plan(Brief("", shots=shots), lambda line: None)
    assert script.metadata["storyworld"]["tier"] == tier
    assert len(Storyboard(script)) == shots


@pytest.mark.parametrize(("kind", "made"), [(Kind.SCRIPT_PLANNER, EpisodePlanner), (Kind.METRIC, StoryworldMetric)])
def test_both_are_registered(kind: Kind, made: type) -> None:
    assert isinstance(PluginHost().build(kind, "storyworld", {}), made)
