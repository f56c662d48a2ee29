from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem_storyworld.language.looks import only, true_look
from storymem_storyworld.language.understand import understand
from storymem_storyworld.stories.episodes import (
    LONGEST_GAP,
    TIERS,
    Episode,
    sample_episode,
    story_script,
    to_script,
)
from storymem_storyworld.world.spec import FRAMES, actor_x, camera_x

episodes = st.builds(
    sample_episode,
    st.integers(0, 10**6),
    st.sampled_from(sorted(TIERS)),
    st.sampled_from(("train", "test")),
    st.sampled_from(("plain", "varied")),
    st.sampled_from((1, 5)),
)
silent = episodes.filter(lambda episode: episode.tier != "told")
several = settings(deadline=None, max_examples=40)


@given(episodes)
@several
def test_episodes_have_the_size_of_their_tier(episode: Episode) -> None:
    tier = TIERS[episode.tier]
    assert tier.shots[0] <= len(episode.shots) <= tier.shots[1]
    assert len(episode.characters) <= tier.characters
    assert len(episode.places) <= tier.places


@given(episodes)
@several
def test_nobody_stays_away_for_too_long(episode: Episode) -> None:
    for entity in (*episode.characters, *episode.places):
        positions = episode.appearances(entity)
        assert positions
        assert all(later - earlier <= LONGEST_GAP for earlier, later in pairwise(positions))


@given(silent)
@several
def test_looks_and_places_stay_as_they_are(episode: Episode) -> None:
    for shot in episode.shots:
        assert {f"the {a.look.kind}": a.look for a in shot.spec.actors}.items() <= episode.characters.items()
        assert shot.spec.setting in episode.places.values()
        assert all((p.kind, p.colour) == episode.things[f"the {p.kind}"] for p in shot.spec.props)


@given(episodes)
@several
def test_a_shot_without_a_cut_begins_where_the_last_one_ended(episode: Episode) -> None:
    assert episode.shots[0].cut
    for last, shot in pairwise(episode.shots):
        if shot.cut:
            assert shot.spec.overlap == 0
            continue
        start = FRAMES - shot.spec.overlap
        assert (shot.scene, shot.entities) == (last.scene, last.entities)
        assert shot.spec.camera == pytest.approx(camera_x(last.spec, start))
        for index, actor in enumerate(shot.spec.actors):
            assert actor.x == pytest.approx(actor_x(last.spec, index, start))
            assert actor.before == last.spec.actors[index].motion


@given(silent)
@several
def test_captions_tell_who_where_and_when_but_not_the_looks(episode: Episode) -> None:
    for shot in episode.shots:
        told = understand(shot.caption)
        assert {kind for kind, _ in told.cast} == {actor.look.kind for actor in shot.spec.actors}
        assert (told.place, told.time, told.size) == (shot.spec.setting.kind, shot.spec.time, shot.spec.size)
        assert "scarf" not in shot.caption


@given(st.integers(0, 10**6))
@several
def test_what_the_tier_told_tells_is_true_and_everything_new_is_told(seed: int) -> None:
    for shot in sample_episode(seed, "told").shots:
        told = understand(shot.caption)
        for actor in shot.spec.actors:
            look = told.look_of(actor.look.kind)
            assert dict(look.items()).items() <= dict(true_look(actor.look).items()).items()
            assert set(only(true_look(actor.look), actor.changed).items()) <= set(look.items())


@given(st.integers(0, 10**6), st.sampled_from(sorted(TIERS)))
@settings(deadline=None, max_examples=20)
def test_the_seed_decides_and_the_splits_differ(seed: int, tier: str) -> None:
    assert sample_episode(seed, tier) == sample_episode(seed, tier)
    assert sample_episode(seed, tier).characters != sample_episode(seed, tier, "train").characters
    varied = sample_episode(seed, tier, language="varied")
    assert [s.spec for s in varied.shots] == [s.spec for s in sample_episode(seed, tier).shots]


def test_hard_episodes_have_gaps_of_all_lengths() -> None:
    gaps = {
        later - earlier
        for seed in range(12)
        for episode in (sample_episode(seed, "hard"),)
        for name in episode.characters
        for earlier, later in pairwise(episode.appearances(name))
    }
    assert {1, 2, 5, 10} <= gaps
    assert max(gaps) > 25


@given(episodes)
@settings(deadline=None, max_examples=10)
def test_episodes_are_valid_scripts(episode: Episode) -> None:
    script = story_script(episode)
    flat = [shot for scene in script.scenes for shot in scene.shots]
    assert [shot.id for shot in flat] == [shot.id for shot in episode.shots]
    assert [shot.cut for shot in flat] == [shot.cut for shot in episode.shots]
    truth = to_script(episode)["metadata"]["storyworld"]
    again = sample_episode(truth["seed"], truth["tier"], truth["split"], overlap=truth["overlap"], shots=truth["shots"])
    assert [shot.spec for shot in again.shots] == [shot.spec for shot in episode.shots]
