"""What a shot may say, beyond what the formats' tests cover."""

from storymem.values.script import Shot


def test_a_transition_takes_its_settings_beside_its_name() -> None:
    flat = Shot.model_validate({"prompt": "p", "transition": {"name": "dissolve", "frames": 3}})
    nested = Shot.model_validate({"prompt": "p", "transition": {"name": "dissolve", "settings": {"frames": 3}}})
    assert flat == nested
