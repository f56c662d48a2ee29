import random
from pathlib import Path

import pytest
import torch

from storymem_backbones.storyworld.readout import (
    READ_EVERY,
    Readout,
    ReadoutConfig,
    load_readout,
    read_clips,
    save_readout,
)
from storymem_backbones.storyworld.render import render
from storymem_backbones.storyworld.sample import sample_look, sample_setting, sample_shot
from storymem_backbones.storyworld.train_readout import RenderedPool, accuracy, reading_loss, train
from storymem_backbones.storyworld.truth import truth_of
from storymem_backbones.storyworld.world import HATS, KINDS, MOTIONS, PANS, PATTERNS, PLACES, PROPS, SIZES, TIMES

CPU = torch.device("cpu")
SMALL = ReadoutConfig((8, 16, 16), 16, 2)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _specs():
    rng = random.Random(2)
    looks = (sample_look(rng, "bear"), sample_look(rng, "owl"))
    return [
        sample_shot(rng, sample_setting(rng, "castle"), looks, "wide", "night", (("ball", (0.9, 0.1, 0.2)),)),
        sample_shot(rng, sample_setting(rng, "beach"), looks[:1], "close_up", "day"),
    ]


def test_truth_is_laid_out_by_kind() -> None:
    specs = _specs()
    truth = truth_of(specs, CPU)
    bear, owl = KINDS.index("bear"), KINDS.index("owl")
    assert truth.present.nonzero().tolist() == [[0, bear], [0, owl], [1, bear]]
    actor = next(a for a in specs[0].actors if a.look.kind == "owl")
    assert truth.coat[0, owl].tolist() == pytest.approx(actor.look.coat)
    assert HATS[truth.hat[0, owl]] == actor.look.hat
    assert MOTIONS[truth.motion[0, owl]] == actor.motion
    assert PATTERNS[truth.pattern[0, owl]] == actor.look.pattern
    assert truth.prop.nonzero().tolist() == [[0, PROPS.index("ball")]]
    assert truth.prop_colour[0, 0].tolist() == pytest.approx((0.9, 0.1, 0.2))
    assert [PLACES[i] for i in truth.place] == ["castle", "beach"]
    assert [SIZES[i] for i in truth.size] == ["wide", "close_up"]
    assert [TIMES[i] for i in truth.time] == ["night", "day"]
    assert [PANS[i] for i in truth.pan] == [spec.pan for spec in specs]


def test_a_readout_learns_to_read_what_it_is_shown() -> None:
    torch.manual_seed(0)
    specs = _specs()
    clips = render(specs, height=48, width=80)[:, :: 4 * READ_EVERY]
    truth = truth_of(specs, CPU)
    readout = Readout(SMALL)
    optimizer = torch.optim.AdamW(readout.parameters(), lr=5e-3)
    losses = []
    for _ in range(60):
        loss = reading_loss(readout(clips), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.35 * losses[0]
    answers = readout.eval()(clips)
    assert (answers.figures["present"].mean(1)[..., 0] > 0).tolist() == (truth.present > 0).tolist()


def test_reading_gives_names_and_colours_and_survives_saving(tmp_path: Path) -> None:
    readout = Readout(SMALL).half().float().eval()
    clips = render(_specs(), height=48, width=80)
    with torch.no_grad():
        readout.figure_head.bias[0] = 9.0  # see everybody
    save_readout(readout, tmp_path)
    loaded = load_readout(tmp_path)
    assert loaded.config == SMALL
    readings = read_clips(loaded, clips)
    assert readings == read_clips(readout, clips)
    assert len(readings) == 2
    figure = readings[0].figures["fox"]
    assert figure.motion in MOTIONS
    assert all(0 <= value <= 1 for value in (*figure.coat, *figure.outfit, figure.presence))
    assert readings[0].place in PLACES


def test_training_gives_a_network_and_its_measured_accuracy() -> None:
    readout, curve = train(0.002, CPU, batch=2, pool=RenderedPool(2, 1, CPU))
    assert len(curve) == 1
    scores = accuracy(readout, CPU, clips=2)
    assert {"place", "motion", "coat_error", "palette_error"} <= scores.keys()
    assert all(0 <= score <= 1 for score in scores.values())
