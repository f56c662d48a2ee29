"""The plugin boundary with distributions made on disk: each thing that can be wrong has its own message."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from core_support import PLUGIN, clean_environ

from storymem.errors import PluginError, SettingsError
from storymem.interfaces import MemoryPolicy
from storymem.plugin import Kind, PluginHost

HEAVY = ("torch", "diffusers", "transformers", "open_clip", "peft", "accelerate", "lancedb", "xllamacpp")

POLICY = """
from storymem.interfaces import MemoryPolicy, PluginSettings
from storymem.plugin import hookimpl

class Settings(PluginSettings):
    depth: int = 3

class Own(MemoryPolicy[Settings]):
    '''Recall nothing, in a way of its own.

    More words.
    '''
    def recall(self, shot, view, budget):
        return ()

@hookimpl
def storymem_memory_policies(register):
    register({name!r}, Own)
"""

HOOK = "from storymem.plugin import hookimpl\n@hookimpl\n"

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that installs a distribution with one module and one entry point."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def make(name: str, code: str | None, version: str = "1.0") -> None:
        module = f"{name}_module"
        if code is not None:
            (site / f"{module}.py").write_text(code)
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[storymem]\n{name} = {module}\n")
        sys.modules.pop(module, None)

    return make


def error_of(host: PluginHost, kind: Kind, name: str) -> str:
    with pytest.raises(PluginError) as caught:
        host.find(kind, name).load()
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_third_party_plugin_is_found_by_its_entry_point(install: Install) -> None:
    install("acme", POLICY.format(name="own"), "2.1")
    host = PluginHost()
    entry = host.find(Kind.MEMORY_POLICY, "own")
    assert str(entry.owner) == "acme (acme 2.1)"
    assert entry.summary == "Recall nothing, in a way of its own."
    plugin = host.build(Kind.MEMORY_POLICY, "own", {"depth": 5})
    assert isinstance(plugin, MemoryPolicy)
    assert plugin.settings.depth == 5
    assert not host.broken


def test_a_typo_is_answered_with_the_nearest_name() -> None:
    message = error_of(PluginHost(), Kind.MEMORY_POLICY, "sink_recnt")
    assert message.startswith("unknown policy 'sink_recnt': did you mean 'sink_recent'?")
    assert "none" in message
    assert "see: storymem plugins" in message
    assert "did you mean" not in error_of(PluginHost(), Kind.BACKBONE, "zzzzzz")


def test_a_missing_requirement_says_what_to_install(install: Install) -> None:
    install(
        "needy",
        "from storymem.plugin import hookimpl\n"
        "@hookimpl\n"
        "def storymem_backbones(register):\n"
        "    register('needy', 'needy.backbone:Needy', requires=['numpy', 'not_there', 'nor.this'],\n"
        "             install='needy[gpu]', summary='Needs much.')\n",
    )
    host = PluginHost()
    assert host.find(Kind.BACKBONE, "needy").missing() == ["not_there", "nor.this"]
    assert error_of(host, Kind.BACKBONE, "needy") == (
        "backbone 'needy' needs not_there, nor.this, not installed; install it with: pip install 'needy[gpu]'"
    )


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        ("import not_there_at_all", ModuleNotFoundError),
        ("raise OSError('libcudart.so.12: cannot open shared object file')", OSError),
        ("raise RuntimeError('Failed to import backend')", RuntimeError),
        ("pass", AttributeError),
    ],
)
def test_an_adapter_that_fails_to_import_keeps_its_cause(
    install: Install, tmp_path: Path, failure: str, cause: type[Exception]
) -> None:
    install(
        "lazy",
        "from storymem.plugin import hookimpl\n"
        "@hookimpl\n"
        "def storymem_backbones(register):\n"
        "    register('lazy', 'lazy_adapter:Lazy')\n",
    )
    (tmp_path / "site" / "lazy_adapter.py").write_text(failure + "\n")
    sys.modules.pop("lazy_adapter", None)
    host = PluginHost()
    assert not host.broken, "what is heavy is imported when it is asked for, not before"
    assert error_of(host, Kind.BACKBONE, "lazy").startswith("backbone 'lazy': importing lazy_adapter:Lazy failed: ")
    with pytest.raises(PluginError) as caught:
        host.build(Kind.BACKBONE, "lazy", {})
    assert isinstance(caught.value.__cause__, cause)


@pytest.mark.parametrize(
    ("code", "words", "cause"),
    [
        (
            "import not_there_at_all",
            "import failed: ModuleNotFoundError: No module named 'not_there_at_all'",
            ImportError,
        ),
        ("def broken(:", "import failed: SyntaxError", SyntaxError),
        ("raise SystemExit('no licence')", "import failed: SystemExit: no licence", SystemExit),
        (None, "import failed: ModuleNotFoundError", ImportError),
        ("x = 1", "has no hooks; mark one with @storymem.plugin.hookimpl", type(None)),
        (
            HOOK + "def storymem_policies(register): pass",
            "storymem_policies is not a hook; hooks are storymem_backbones,",
            Exception,
        ),
        (
            HOOK + "def storymem_backbones(registry): pass",
            "storymem_backbones",
            Exception,
        ),
        (
            HOOK + "def storymem_backbones(register): 1 / 0",
            "storymem_backbones failed: ZeroDivisionError",
            ZeroDivisionError,
        ),
        (
            HOOK + "def storymem_backbones(register): register('Mixed Case', 'a:B')",
            "backbone name 'Mixed Case' of bad (bad 1.0): use lower case, digits, _ and -",
            type(None),
        ),
    ],
)
def test_a_broken_plugin_is_recorded_and_stops_nobody(
    install: Install, code: str | None, words: str, cause: type[BaseException]
) -> None:
    install("bad", code)
    install("good", POLICY.format(name="own"))
    host = PluginHost()
    (broken,) = host.broken
    assert words in str(broken.error)
    assert "bad (bad 1.0)" in str(broken.error)
    assert isinstance(broken.error.__cause__, cause)
    assert "\n" not in str(broken.error)
    host.build(Kind.MEMORY_POLICY, "own", {})
    host.build(Kind.MEMORY_POLICY, "sink_recent", {})
    assert "its plugin is broken" in error_of(host, Kind.BACKBONE, "bad")
    assert "broken plugin bad (bad 1.0)" in error_of(host, Kind.BACKBONE, "something_else")


def test_a_name_registered_twice_names_both_owners(install: Install) -> None:
    install("first", POLICY.format(name="own"))
    install("second", POLICY.format(name="own"))
    host = PluginHost()
    (broken,) = host.broken
    assert str(broken.error) == (
        "policy 'own' is registered by both first (first 1.0) and second (second 1.0); rename one or disable its plugin"
    )
    assert host.find(Kind.MEMORY_POLICY, "own").owner.name == "first"


def test_a_third_party_cannot_take_a_built_in_name_and_loses_all_of_its_own(install: Install) -> None:
    install("thief", POLICY.format(name="sink_recent") + "    register('honest', Own)\n")
    host = PluginHost()
    assert "registered by both policies (storymem" in str(host.broken[0].error)
    assert host.find(Kind.MEMORY_POLICY, "sink_recent").owner.distribution == "storymem"
    assert "unknown policy 'honest'" in error_of(host, Kind.MEMORY_POLICY, "honest")


def test_third_parties_can_be_switched_off(install: Install) -> None:
    install("acme", POLICY.format(name="own"))
    install("other", POLICY.format(name="their"))
    for value, disabled in (("acme", ["acme"]), (" acme , other", ["acme", "other"]), ("all", ["acme", "other"])):
        host = PluginHost(environ={"STORYMEM_DISABLE_PLUGINS": value})
        assert [owner.name for owner in host.disabled] == disabled
        assert host.registry.get(Kind.MEMORY_POLICY, "own") is None
        assert host.registry.get(Kind.MEMORY_POLICY, "recent") is not None, "built-ins always load"


def test_a_class_of_another_kind_is_refused(install: Install) -> None:
    install("mixed", POLICY.format(name="own").replace("storymem_memory_policies", "storymem_backbones"))
    assert "is not a Backbone class" in error_of(PluginHost(), Kind.BACKBONE, "own")


def test_settings_errors_name_plugin_and_key(install: Install) -> None:
    install("acme", POLICY.format(name="own"))
    host = PluginHost()
    for settings, words in (
        ({"depht": 1}, "policy 'own': depht: unknown key"),
        ({"depth": "deep"}, "policy 'own': depth: Input should be a valid integer"),
    ):
        with pytest.raises(SettingsError) as caught:
            host.build(Kind.MEMORY_POLICY, "own", settings)
        assert str(caught.value).startswith(words)
        assert caught.value.exit_code == 2


# -- local files ------------------------------------------------------------------------------------------


def test_a_local_file_is_a_plugin(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(POLICY.format(name="own"))
    host = PluginHost([path])
    entry = host.find(Kind.MEMORY_POLICY, "own")
    assert str(entry.owner) == f"{path} (local file)"
    same = PluginHost([path]).find(Kind.MEMORY_POLICY, "own").load()
    assert same is entry.load(), "hosts of one process share the module, so objects of it compare"
    path.write_text(POLICY.format(name="own") + "# edited\n")
    edited = PluginHost([path]).find(Kind.MEMORY_POLICY, "own").load()
    assert edited is not same
    assert edited().fingerprint() != same().fingerprint()


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("gone.py", None, "gone.py: no such file"),
        ("text.txt", "x = 1", "text.txt: must be a .py file"),
        ("bad.py", "import not_there_at_all", "bad.py: ModuleNotFoundError"),
        ("bad.py", "def broken(:", "bad.py: SyntaxError"),
        ("none.py", "x = 1", "has no hooks"),
    ],
)
def test_a_local_file_must_load(tmp_path: Path, name: str, code: str | None, words: str) -> None:
    path = tmp_path / name
    if code is not None:
        path.write_text(code)
    with pytest.raises(PluginError, match=words):
        PluginHost([path])


def test_the_tiny_backbone_is_a_proper_plugin() -> None:
    host = PluginHost([PLUGIN])
    backbone = host.build(Kind.BACKBONE, "blocks", {"look": 2, "journal": "somewhere"})
    quiet = host.build(Kind.BACKBONE, "blocks", {"look": 2})
    other = host.build(Kind.BACKBONE, "blocks", {"look": 3})
    assert backbone.fingerprint() == quiet.fingerprint() != other.fingerprint()


# -- what is heavy ----------------------------------------------------------------------------------------


def python(code: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=clean_environ(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_loading_every_entry_point_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from storymem.plugin import PluginHost\n"
        "host = PluginHost()\n"
        "assert not host.broken, [str(b.error) for b in host.broken]\n"
        "for entry in host.registry:\n"
        "    entry.missing(); entry.settings.model_json_schema()\n"
        f"print(sorted(set(sys.modules) & set({HEAVY!r})), len(list(host.registry)))\n"
    )
    found, _, count = python(code, tmp_path).rpartition(" ")
    assert found == "[]"
    assert int(count) > 20


def test_help_imports_nothing_heavy_and_looks_for_no_plugin(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from storymem.cli.main import main\n"
        "sys.argv = ['storymem', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"heavy = {(*HEAVY, 'av', 'numpy', 'networkx', 'PIL', 'storymem_plugins', 'storymem.plugin')!r}\n"
        "print('FOUND', sorted(set(sys.modules) & set(heavy)))\n"
    )
    assert python(code, tmp_path).splitlines()[-1] == "FOUND []"
