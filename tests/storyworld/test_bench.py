import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from storymem.interfaces import FinishedShot
from storymem.values.clip import Clip
from storymem.values.storyboard import Storyboard
from storymem_storyworld.bench import films as bench
from storymem_storyworld.bench.command import app
from storymem_storyworld.bench.films import RENDERER, Row, closed_share, episodes_of, floor, report
from storymem_storyworld.measure.autoencoding import Autoencodes, reconstruction_numbers
from storymem_storyworld.measure.metric import StoryworldMetric
from storymem_storyworld.readout.read import Readout, ReadoutConfig, save_readout
from storymem_storyworld.settings import ReadoutSettings
from storymem_storyworld.stories.episodes import story_script


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("bench_readout")
    save_readout(Readout(ReadoutConfig((8, 16, 16), 16, 2)), folder)
    return folder


@pytest.fixture
def small_renders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "render", partial(bench.render, frames=5, height=24, width=40))


def _row(policy: str, drift: float) -> Row:
    return Row("easy", policy, 1, 6, 0.5, {"identity_drift": drift, "identity_drift/gap_1_1": drift})


def test_the_closed_share_runs_from_no_memory_to_the_renderer() -> None:
    rows = [_row(RENDERER, 0.02), _row("none", 0.27), _row("sink_recent", 0.07)]
    assert [closed_share(row, rows) for row in rows] == pytest.approx([1.0, 0.0, 0.8])
    assert closed_share(rows[2], rows[2:]) is None
    text = report(rows)
    assert "| easy | sink_recent | 1 | 6 | 0.50 | 0.800 | 0.070 |" in text
    assert "| easy | sink_recent | 0.070 |" in text


def test_gaps_are_in_the_order_of_their_length() -> None:
    numbers = {f"identity_drift/gap_{gap}": 0.1 for gap in ("16_40", "1_1", "8_15", "2_3")}
    text = report([Row("hard", "none", 1, 46, 0.5, numbers)])
    assert "| tier | policy | 1-1 | 2-3 | 8-15 | 16-40 |" in text


def test_chains_go_on_without_a_cut() -> None:
    (chain,) = episodes_of("chain", 1)
    assert [shot.cut for shot in chain.shots] == [True] + [False] * 9
    assert len({shot.entities for shot in chain.shots}) == 1
    assert episodes_of("easy", 2)[1].seed == 1


def test_the_floor_measures_the_renderers_own_films(folder: Path, small_renders: None) -> None:
    row = floor("easy", 1, StoryworldMetric(ReadoutSettings(readout=folder)))
    assert row.policy == RENDERER
    assert row.shots == len(episodes_of("easy", 1)[0].shots)
    assert "adherence/place" in row.numbers


class Fades:
    """An autoencoder that loses half of the contrast."""

    def reconstruct(self, clip: Clip) -> Clip:
        return Clip(clip.frames // 2 + 64, clip.fps)


def test_the_autoencoder_is_measured_on_true_clips(folder: Path, small_renders: None) -> None:
    model = Fades()
    assert isinstance(model, Autoencodes)
    row = bench.autoencoded("easy", 1, StoryworldMetric(ReadoutSettings(readout=folder)), model)
    (episode,) = episodes_of("easy", 1)
    assert (row.policy, row.shots) == (bench.AUTOENCODER, len(episode.shots))
    assert {"psnr", "psnr_pooled", "adherence/place"} <= row.numbers.keys()
    assert "| easy | autoencoder |" in report([row])


def test_reconstruction_numbers_are_those_of_a_known_change() -> None:
    dark = Clip(np.full((5, 24, 40, 3), 100, np.uint8), 8)
    later = dark.frames.copy()
    later[3:] += 51
    numbers = reconstruction_numbers([dark, dark], [dark, Clip(later, 8)])
    square = 51**2 * 2 / 5
    assert numbers["psnr_pooled"] == pytest.approx(10 * np.log10(255**2 / (square / 2)))
    assert numbers["psnr"] == pytest.approx((10 * np.log10(255**2 / 1e-3) + 10 * np.log10(255**2 / square)) / 2)
    assert numbers["colour_shift"] == pytest.approx(0.2 / 2)


@pytest.mark.parametrize(("more", "label"), [([], "none"), (["--portraits"], "none, portraits")])
def test_the_command_renders_measures_and_reports(
    folder: Path, tmp_path: Path, small_renders: None, more: list[str], label: str
) -> None:
    out = tmp_path / "report.md"
    arguments = ["storyworld", "--out", str(out), "--runs", str(tmp_path / "runs"), "--backbone", "animatic"]
    arguments += ["--stories", "1", "--tier", "chain", "--policy", "none", "--readout", str(folder)]
    arguments += ["--set", "size=160x96", "--set", "frames=5", "--set", "filters=[]", *more]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert f"| chain | {label} | 1 | 10 |" in out.read_text()
    assert len(list((tmp_path / "runs").glob("portraits/*/01_*.png"))) == len(more)
    rows = json.loads(out.with_suffix(".json").read_text())
    assert [row["policy"] for row in rows] == [RENDERER, label]
    assert np.isfinite(rows[1]["numbers"]["handover_psnr"])
    numbers = rows[1]["numbers"]
    assert numbers["colour_change"] >= numbers["colour_drift"] >= 0


def test_a_drift_is_what_changes_in_all_chains_alike() -> None:
    def chain(*brightness: int) -> bench._Film:
        board = Storyboard(story_script(episodes_of("chain", 1)[0]))
        grid = np.indices((5, 24, 40, 3)).sum(0) % 7
        clips = [Clip((grid + level).astype(np.uint8), 8) for level in brightness]
        shown = zip(board, clips, strict=False)
        return bench._Film(board, tuple(FinishedShot(shot, clip, ()) for shot, clip in shown))

    assert bench.colour_changes(chain(97, 107))[:3] == pytest.approx(0.1, abs=1e-3)
    assert bench.colour_changes(chain(97, 107))[3:] == pytest.approx(0, abs=1e-9)
    assert bench.colour_summary([chain(97, 107), chain(97, 87)]) == pytest.approx(
        {"colour_drift": 0, "colour_change": 0.1}, abs=1e-3
    )
