"""The contract of exporters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storymem.interfaces import Exporter
from storymem.testing.contract import PluginContract, not_given
from storymem.values.timeline import SpokenLine, Timeline, TimelineShot


def film_cut(folder: Path, fps: int = 16) -> Timeline:
    """Return the cut of a small film whose files, of no real video, are written to ``folder``.

    It has what is easily lost: handles, dissolves of odd and even length, two scenes, a name that is no plain ASCII,
    and texts with line feeds, quotes, markup and controls.
    """
    hard = 'A fox\nsays "x" & <b>y</b>\x07; café.'
    shots = (
        _shot(folder, "1.1", 0, hard, first=0, frames=21),
        _shot(folder, "1.2", 0, "It runs.", first=1, frames=20),
        _shot(folder, "1.2a", 0, "It stops.", first=0, frames=21, overlap=5),
        _shot(folder, "2.1", 1, "It sleeps.", first=0, frames=21, overlap=4),
        _shot(folder, "2.2", 1, "It dreams.", first=5, frames=16),
    )
    looks = {"The fox, old": "a red fox", "café": ""}
    notes = ("shots 3.1 are not finished and missing here",)
    return Timeline("Die Füchsin\n& co", fps, (64, 48), ("Day", ""), shots, looks, notes)


def _shot(folder: Path, id_: str, scene: int, prompt: str, first: int, frames: int, overlap: int = 0) -> TimelineShot:
    media = folder / f"shot {id_}.mkv"
    media.write_bytes(id_.encode())
    return TimelineShot(
        id=id_,
        scene=scene,
        prompt=prompt,
        entities=("The fox, old", "café") if id_ == "1.1" else (),
        media=media,
        available=first + frames,
        first=first,
        frames=frames,
        overlap=overlap,
        transition="dissolve" if overlap else "motion" if first else "cut",
        lines=(SpokenLine("Where am I?", "The fox, old"),) if id_ == "1.1" else (),
        details={"take": 1, "seed": str(2**63), "recalled": []},
    )


class ExporterContract(PluginContract):
    """Subclass it and override :meth:`exporter`."""

    @pytest.fixture
    def exporter(self) -> Exporter[Any]:
        """Return the exporter under test."""
        not_given(self, "exporter")

    @pytest.fixture
    def cut(self, tmp_path: Path) -> Timeline:
        """Return the film that is exported."""
        (tmp_path / "run").mkdir()
        return film_cut(tmp_path / "run")

    def test_has_a_fingerprint(self, exporter: Exporter[Any]) -> None:
        self.check_plugin(exporter)

    def test_writes_what_it_is_asked_for_and_nothing_else(
        self, exporter: Exporter[Any], cut: Timeline, tmp_path: Path
    ) -> None:
        folder = tmp_path / "out"
        folder.mkdir()
        target = folder / f"film{exporter.suffix}"
        notes = list(exporter.export(cut, target))
        assert [path.name for path in folder.iterdir()] == [target.name]
        assert target.is_file() if exporter.suffix else target.is_dir()
        assert all(isinstance(note, str) and note and "\n" not in note for note in notes)
        for shot in cut.shots:
            assert shot.media.read_bytes() == shot.id.encode(), "an exporter must not change the film's files"

    def test_equal_cuts_give_equal_files(self, exporter: Exporter[Any], cut: Timeline, tmp_path: Path) -> None:
        written = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            target = tmp_path / name / f"film{exporter.suffix}"
            exporter.export(cut, target)
            files = [target] if exporter.suffix else sorted(target.rglob("*"))
            written.append({path.name: path.read_bytes() for path in files if path.is_file()})
        assert written[0] == written[1]
