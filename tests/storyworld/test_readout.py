import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from storymem_storyworld.draw.render import render
from storymem_storyworld.measure.metric import SHIPPED
from storymem_storyworld.readout.read import (
    READ_EVERY,
    Answers,
    Readout,
    ReadoutConfig,
    load_readout,
    over_clip,
    read_clips,
    save_readout,
    true_reading,
)
from storymem_storyworld.readout.truth import truth_of
from storymem_storyworld.train.readout import TrainingSettings, earlier_readout, reading_loss, train
from storymem_storyworld.train.readout_accuracy import accuracy
from storymem_storyworld.train.readout_pool import mirrored, rendered_pool, training_specs
from storymem_storyworld.world.sample import doubled, sample_look, sample_setting, sample_shot
from storymem_storyworld.world.spec import HATS, KINDS, MOTIONS, PANS, PATTERNS, PLACES, PROPS, SIZES, TIMES

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


def test_the_truth_counts_figures_of_one_kind() -> None:
    rng = random.Random(1)
    alone = sample_shot(rng, sample_setting(rng), (sample_look(rng, "boy"),), "medium")
    truth = truth_of([alone, doubled(rng, alone)], CPU)
    assert truth.present[:, KINDS.index("boy")].tolist() == [1, 1]
    assert truth.twice.sum(1).tolist() == [0, 1]
    assert [true_reading(spec).figures["boy"].twice for spec in (alone, doubled(rng, alone))] == [False, True]


def test_an_earlier_readout_goes_on_with_what_it_could_not_read(tmp_path) -> None:
    now = Readout(SMALL)
    save_readout(now, tmp_path)
    stored = load_file(str(tmp_path / "model.safetensors"))
    kept = now.figure_head[-1].weight.shape[0] - 13  # without colours of hat and scarf, and without counting
    earlier = {n: v[:kept].clone() if n.startswith("figure_head.3") else v for n, v in stored.items()}
    save_file(earlier, str(tmp_path / "model.safetensors"))
    grown = earlier_readout(tmp_path).figure_head[-1]
    torch.testing.assert_close(grown.weight[:kept], now.figure_head[-1].weight[:kept].half().float())
    assert grown.weight[kept:].abs().sum() == 0


def test_a_readout_learns_to_read_what_it_is_shown() -> None:
    torch.manual_seed(0)
    specs = _specs()
    clips = render(specs, height=48, width=80)[:, :: 4 * READ_EVERY]
    truth = truth_of(specs, CPU)
    readout = Readout(SMALL)
    optimizer = torch.optim.AdamW(readout.parameters(), lr=5e-3)
    losses = []
    for _ in range(80):
        loss = reading_loss(readout(clips), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.35 * losses[0]
    present = readout.eval()(clips).figures["present"].mean(1)[..., 0]
    assert present[truth.present > 0].min() > present[truth.present == 0].max()


def test_reading_gives_names_and_colours_and_survives_saving(tmp_path: Path) -> None:
    readout = Readout(SMALL).half().float().eval()
    clips = render(_specs(), height=48, width=80)
    with torch.no_grad():
        readout.figure_head[-1].bias[0] = 9.0  # see everybody
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


def test_a_clip_is_read_from_the_frames_in_which_somebody_is_seen() -> None:
    answers = Readout(SMALL).eval()(render(_specs(), height=48, width=80)[:, ::8])
    figures = dict(answers.figures)
    figures["present"] = torch.tensor([30.0, 30.0, -30.0])[None, :, None, None].expand(2, 3, len(KINDS), 1)
    figures["coat"] = torch.tensor([0.2, 0.4, 0.9])[None, :, None, None].expand(2, 3, len(KINDS), 3)
    read = over_clip(Answers(figures, answers.props, answers.scene, answers.motion, answers.pan))
    assert read.figures["coat"].flatten().tolist() == pytest.approx([0.3] * 2 * len(KINDS) * 3)
    assert read.figures["present"].flatten().tolist() == pytest.approx([2 / 3] * 2 * len(KINDS))


def test_a_colour_is_copied_from_the_picture() -> None:
    torch.manual_seed(0)
    readout = Readout(SMALL).eval()
    with torch.no_grad():
        for parameter in readout.figure_head[-1].parameters():
            parameter.zero_()
        red = torch.tensor([0.6, -0.2, -0.8])[:, None, None].expand(1, 1, 3, 48, 80)
        coat = readout(red).figures["coat"]
    expected = torch.tensor([0.8, 0.4, 0.1]).expand_as(coat)
    torch.testing.assert_close(coat, expected, atol=1e-4, rtol=0)


def test_mirror_images_swap_left_and_right() -> None:
    rng = random.Random(0)
    spec = sample_shot(rng, sample_setting(rng, "beach"), (sample_look(rng, "bear"),), "wide", "day")
    walking = replace(spec, actors=(replace(spec.actors[0], motion="walk_left"),), pan="right")
    truth = truth_of([walking, walking], CPU)
    turned = mirrored(truth, 1)
    bear = KINDS.index("bear")
    assert [MOTIONS[i] for i in turned.motion[:, bear]] == ["walk_right", "walk_left"]
    assert [PANS[i] for i in turned.pan] == ["left", "right"]
    assert torch.equal(mirrored(turned, 1).motion, truth.motion)


def test_a_pool_hands_out_what_it_rendered_mirrored_or_not() -> None:
    pool = rendered_pool(2, CPU, seed=4)
    clips, truth = pool.batch(4, torch.Generator().manual_seed(0))
    held = pool.clips.float() / 127.5 - 1
    for index, clip in enumerate(clips):
        found = [i for i in range(2) if torch.equal(held[i].flip(-1) if index < 2 else held[i], clip)]
        assert len(found) == 1
        assert torch.equal(truth.coat[index], pool.truth.coat[found[0]])
        assert torch.equal(truth.palette[index], pool.truth.palette[found[0]])


def test_training_and_test_clips_differ_and_come_again() -> None:
    assert training_specs(2, 6) == training_specs(2, 6)
    assert not set(training_specs(2, 40)) & set(training_specs(1, 40))


def test_training_gives_a_network_and_its_measured_accuracy() -> None:
    readout, curve = train(rendered_pool(2, CPU), TrainingSettings(0.1, batch=2))
    assert curve.steps >= 1
    assert len(curve.losses) == 1 + (curve.steps - 1) // 100
    scores = accuracy(readout, CPU, clips=4)
    assert scores.keys() <= {"all", *SIZES}
    assert len(scores) > 1
    for part in scores.values():
        assert {"presence", "hat", "scarf", "pattern", "motion", "coat_error", "outfit_error"} <= part.keys()
        assert all(0 <= score <= 1 for score in part.values())


def test_the_shipped_readout_reads_unseen_renders_as_well_as_it_says() -> None:
    stated = json.loads((SHIPPED / "accuracy.json").read_text())["scores"]["all"]
    specs = training_specs(77, 12)
    readings = read_clips(load_readout(SHIPPED), render(specs))
    errors, casts = [], []
    for spec, reading in zip(specs, readings, strict=True):
        true = true_reading(spec)
        casts.append(reading.figures.keys() == true.figures.keys())
        for kind in reading.figures.keys() & true.figures.keys():
            pairs = zip(reading.figures[kind].coat, true.figures[kind].coat, strict=True)
            errors += [abs(seen - real) for seen, real in pairs]
    assert sum(errors) / len(errors) < 2 * stated["coat_error"] + 0.01
    assert sum(casts) / len(casts) >= stated["cast"] - 0.25
