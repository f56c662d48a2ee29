"""What all contracts share: how a missing fixture is reported, and how properties are run."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings

from storymem.interfaces import Plugin

#: Plugins are built once per test, not once per example, and one property runs in many subclasses: both are
#: meant.
examples = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
        HealthCheck.too_slow,
    ],
)


def not_given(contract: object, fixture: str) -> NoReturn:
    """Fail the test because a contract's fixture was not overridden."""
    pytest.fail(f"{type(contract).__name__}: override the fixture {fixture!r} to return your plugin")


class PluginContract:
    """What is asked of every plugin: a fingerprint that is a stable, non-empty text of one line."""

    def check_plugin(self, plugin: Plugin[Any]) -> None:
        """Assert what holds for all kinds of plugins."""
        assert plugin.fingerprint(), "fingerprint() must not be empty"
        assert plugin.fingerprint() == plugin.fingerprint(), "fingerprint() must not change by itself"
        assert isinstance(plugin.settings, type(plugin).Settings), "settings must be of the class's Settings"
