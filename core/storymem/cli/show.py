"""``storymem config``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storymem.cli import options
from storymem.cli.terminal import echo

if TYPE_CHECKING:
    from storymem.plugin import PluginHost
    from storymem.settings import Resolved

#: Settings keys whose plugin kind has another name.
_KINDS = {"cut": "transition", "continuation": "transition"}


def config(
    config: options.Config = None,
    assign: options.Set = None,
    plugin: options.PluginFiles = None,
    as_json: options.Json = False,
) -> None:
    """Print every setting, the settings of the chosen plugins, and where each value comes from."""
    import json

    from storymem.cli.terminal import print_json
    from storymem.plugin import PluginHost

    host = PluginHost(plugin or [])
    resolved = options.settings_from(host, config, assign, {})
    rows = _rows(resolved, host)
    if as_json:
        print_json({key: {"value": value, "from": origin} for key, value, origin in rows})
        return
    width = max(len(f"{key} = {json.dumps(value)}") for key, value, _ in rows)
    for key, value, origin in rows:
        echo(f"{f'{key} = {json.dumps(value)}':<{min(width, 60)}}  # {origin}")


def _rows(resolved: Resolved, host: PluginHost) -> list[tuple[str, object, str]]:
    from storymem.plugin import Kind
    from storymem.settings import PluginChoice

    rows: list[tuple[str, object, str]] = []
    for key, value in resolved.settings:
        if not isinstance(value, PluginChoice):
            plain = resolved.settings.model_dump(mode="json", include={key})[key]
            rows.append((key, plain, resolved.origins.get(key, "default")))
            continue
        rows.append((f"{key}.name", value.name, resolved.origins.get(f"{key}.name", "default")))
        checked = host.find(Kind(_KINDS.get(key, key)), value.name).check(value.settings)
        for name, setting in checked.model_dump(mode="json").items():
            rows.append((f"{key}.{name}", setting, resolved.origins.get(f"{key}.{name}", "default")))
    return rows
