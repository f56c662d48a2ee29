"""Tools that look at runs; pictures come back as images. Their docstrings are what the agent reads."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import Image

from storymem.errors import RunStoreError
from storymem.evaluate.evaluator import Evaluator
from storymem.export.run import export_run
from storymem.report.reading import read_report
from storymem.report.sheets import contact_sheet
from storymem.runs import OpenRun, open_run
from storymem.store.folder import DATABASE
from storymem.store.records import Take
from storymem_mcp.desk import Desk
from storymem_mcp.pictures import png, rows, sampled, small

#: Most frames that one answer holds.
_MOST_FRAMES = 12


class Looking:
    """Status, pictures, measurements, exports. Nothing in a run is changed."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def status(self, run: str) -> dict[str, Any]:
        """Return what every shot of a run is: take, recalled pictures with reasons, refused frames; and any render."""
        folder = self._desk.folder.path(run)
        job = self._desk.jobs.of(folder)
        if job is not None and (job.starting or not (folder / DATABASE).is_file()):  # or it was stopped at once
            return {"render": job.to_json(), "film": False, "shots": []}
        with open_run(folder, host=self._desk.host) as opened:
            shots = [{k: v for k, v in s.to_json().items() if k != "view"} for s in opened.status().values()]
        return {"render": job.to_json() if job else None, "film": (folder / "film.mp4").is_file(), "shots": shots}

    def contact_sheet(self, run: str) -> Image:
        """Show the middle frame of every shot, in story order."""
        return Image(data=contact_sheet(read_report(self._desk.folder.path(run))), format="png")

    def memory_trace(self, run: str, shot: str) -> list[str | Image]:
        """Show the pictures that a shot was shown from memory, in order, each with the reason the policy gave."""
        with self._opened(run) as opened:
            opened.require_shot(shot)
            status = opened.status()[shot]
            answer: list[str | Image] = [f"shot {shot}: {status.state}, {len(status.recalled)} pictures recalled"]
            for number, keyframe in enumerate(status.recalled, start=1):
                answer += [f"{number}. {keyframe.name}: {keyframe.reason}", _image(keyframe.load())]
            refused = (f"frame {r.frame}: {r.filter}, {r.score:.3g} < {r.threshold:.3g}" for r in status.rejections)
            return [*answer, *(f"refused for memory: {line}" for line in refused)]

    def frames(self, run: str, shot: str, take: int | None = None, count: int = 4) -> list[str | Image]:
        """Show frames of a shot, evenly spaced; of the take in the film, or of another one by number."""
        with self._opened(run) as opened:
            found = self._take(opened, shot, take)
            answer: list[str | Image] = [f"shot {shot}, take {found.number}: {found.request['prompt']}"]
            for number, frame in sampled(opened, found, max(1, min(count, _MOST_FRAMES))):
                answer += [f"frame {number} of {found.frames}", _image(frame)]
            return answer

    def takes(self, run: str, shot: str) -> list[str | Image]:
        """Show all takes of a shot, one above the other, three frames each, with seeds and prompts."""
        with self._opened(run) as opened:
            found = opened.takes(shot)
            if not found:
                raise RunStoreError(f"shot {shot}: has no takes yet")
            current = {c.shot: c.take for c in opened.store.current(shot)}.get(shot)
            lines = [_described(take, current) for take in found]
            labelled = [(f"take {t.number}", [frame for _, frame in sampled(opened, t, 3)]) for t in found]
            return ["\n".join(lines), Image(data=rows(labelled), format="png")]

    def evaluate(self, run: str, suite: str = "colour") -> dict[str, Any]:
        """Measure a film by a suite of metrics; ``colour`` needs no model."""
        with Evaluator([suite], plugins=self._desk.host) as evaluator:
            return dict(evaluator(self._desk.folder.path(run)).to_json())

    def export(self, run: str, to: str, out: str) -> dict[str, Any]:
        """Write the cut for an editing program to a new file: otio, fcp7xml, edl, fcpxml, csv, or folder."""
        folder = self._desk.folder
        done = export_run(folder.path(run), to, folder.path(out))
        return {"file": folder.name(done.path), "notes": list(done.notes)}

    def _opened(self, run: str) -> Any:
        return open_run(self._desk.folder.path(run), host=self._desk.host)

    def _take(self, opened: OpenRun, shot: str, number: int | None) -> Take:
        if number is not None:
            return opened.store.require_take(shot, number)
        opened.require_shot(shot)
        take = opened.status()[shot].take
        if take is None:
            raise RunStoreError(f"shot {shot}: is not finished; takes shows what there is")
        return take


def _image(frame: Any) -> Image:
    return Image(data=png(small(frame)), format="png")


def _described(take: Take, current: int | None) -> str:
    marks = [mark for mark, holds in (("in the film", take.number == current), ("pinned", take.pinned)) if holds]
    state = f" ({', '.join(marks)})" if marks else ""
    return f"take {take.number}{state}: seed {take.request['seed']}, {take.request['prompt']}"
