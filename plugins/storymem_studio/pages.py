"""What can be looked at: GET only, nothing is changed."""

from __future__ import annotations

import hashlib
import json
from itertools import groupby
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from storymem.plugin import Kind
from storymem.runs import open_run, preview_pin, preview_redo, preview_script
from storymem.script.changes import diff_scripts, render_diff
from storymem.script.lint import lint
from storymem.settings import Layer, RunSettings, resolve
from storymem.store.runstore import RunStore
from storymem_studio.drafts import draft, draft_text, revised, stored_run, with_transition
from storymem_studio.forms import redo_values
from storymem_studio.library import RunEntry
from storymem_studio.reading import Card, reading
from storymem_studio.state import Studio, studio_of

_DEFAULT_BUDGET: int = RunSettings.model_fields["budget"].default


def runs(request: Request) -> Response:
    """List all runs."""
    studio = studio_of(request)
    return _page(request, "runs.html", rows=[_row(entry) for entry in studio.library.runs().values()])


def board(request: Request) -> Response:
    """Show a run's shots as cards, in story order or in the order in which they can be made."""
    studio, entry = _entry(request)
    if not entry.rendered:
        return _page(request, "draft.html", run=entry, script=draft(entry, studio.host))
    by_graph = request.query_params.get("order") == "graph"
    with reading(entry.folder, studio.graphs, studio.host) as reader:
        groups = _by_step(reader.cards) if by_graph else _by_scene(reader.cards, reader.script)
        return _page(request, "board.html", run=entry, reader=reader, groups=groups, by_graph=by_graph)


def card(request: Request) -> Response:
    """Return one card of the board, for a page that is open already."""
    studio, entry = _entry(request)
    with reading(entry.folder, studio.graphs, studio.host) as reader:
        shown = reader.card(request.path_params["shot"])
        return _page(request, "_card.html", run=entry, card=shown)


def head(request: Request) -> Response:
    """Return the line of counts and buttons above the board."""
    studio, entry = _entry(request)
    with reading(entry.folder, studio.graphs, studio.host) as reader:
        return _page(request, "_head.html", run=entry, reader=reader)


def jobs(request: Request) -> Response:
    """Return the queue."""
    return _page(request, "_jobs.html")


def shot(request: Request) -> Response:
    """Show one shot in full."""
    studio, entry = _entry(request)
    with reading(entry.folder, studio.graphs, studio.host) as reader:
        view = reader.shot(request.path_params["shot"])
        transitions = studio.host.registry.names(Kind.TRANSITION)
        return _page(request, "shot.html", run=entry, reader=reader, view=view, transitions=transitions)


def cast(request: Request) -> Response:
    """Show every entity across the film."""
    studio, entry = _entry(request)
    with reading(entry.folder, studio.graphs, studio.host) as reader:
        return _page(request, "cast.html", run=entry, reader=reader, rows=reader.cast())


def script(request: Request) -> Response:
    """Show the script as a form and as text, with what will not film well."""
    studio, entry = _entry(request)
    story = draft(entry, studio.host)
    text = draft_text(entry, story)
    after = revised(entry, studio.host)
    return _page(
        request,
        "script.html",
        run=entry,
        script=story,
        text=text,
        version=hashlib.sha256(text.encode()).hexdigest(),
        findings=lint(story, _DEFAULT_BUDGET, base=entry.folder),
        problem="",
        diff=render_diff(diff_scripts(story, after)) if after else "",
        revised=after is not None,
        names=_names(studio),
    )


def settings(request: Request) -> Response:
    """Show a run's settings, and where each comes from."""
    studio, entry = _entry(request)
    with RunStore(entry.folder, write=False) as store:
        stored = json.loads(store.meta("settings") or "{}")
    resolved = resolve([Layer("this run", stored)], studio.host.registry)
    rows = [
        (key, json.dumps(value, ensure_ascii=False), _origin(key, resolved.origins))
        for key, value in resolved.settings.model_dump(mode="json").items()
    ]
    return _page(request, "settings.html", run=entry, rows=rows)


def redo(request: Request) -> Response:
    """Show what making a shot again would lead to, before it is done."""
    studio, entry = _entry(request)
    seed, prompt = redo_values(request.query_params)
    shot_id = request.path_params["shot"]
    with studio.previewing, stored_run(entry.folder) as stored, open_run(entry.folder) as opened:
        override = opened.override(shot_id, seed, prompt)
        found = preview_redo(opened, stored.session, shot_id, override)
    values = {"seed": "" if override.seed is None else str(override.seed), "prompt": prompt or ""}
    return _preview(request, entry, f"Make shot {shot_id} again", found, values)


def pin(request: Request) -> Response:
    """Show what fixing a shot to a take, or freeing it, would lead to."""
    studio, entry = _entry(request)
    number = request.query_params.get("take", "")
    take, shot_id = int(number) if number.isdecimal() else None, request.path_params["shot"]
    with studio.previewing, stored_run(entry.folder) as stored, open_run(entry.folder) as opened:
        found = preview_pin(opened, stored.session, shot_id, take)
    title = f"Free shot {shot_id}" if take is None else f"Pin take {take} of shot {shot_id}"
    return _preview(request, entry, title, found, {"take": "" if take is None else str(take)})


def transition(request: Request) -> Response:
    """Show what another way into a shot would lead to."""
    studio, entry = _entry(request)
    name, shot_id = request.query_params.get("transition", ""), request.path_params["shot"]
    story = with_transition(draft(entry, studio.host), shot_id, name)
    with studio.previewing, stored_run(entry.folder) as stored, open_run(entry.folder) as opened:
        found = preview_script(opened, stored.session, story)
    return _preview(request, entry, f"Another way into shot {shot_id}", found, {"transition": name})


def resume(request: Request) -> Response:
    """Show what rendering the script as it is now would make."""
    studio, entry = _entry(request)
    story = draft(entry, studio.host)
    with studio.previewing, stored_run(entry.folder) as stored, open_run(entry.folder) as opened:
        found = preview_script(opened, stored.session, story)
    return _preview(request, entry, "Render the script as it is now", found, {})


def new(request: Request) -> Response:
    """Show the form that begins a story."""
    return _page(request, "new.html", names=_names(studio_of(request)))


def _preview(request: Request, entry: RunEntry, title: str, found: Any, values: dict[str, str]) -> Response:
    studio = studio_of(request)
    certain = [again for again in found if again.certain]
    with reading(entry.folder, studio.graphs, studio.host) as reader:
        cards = {card.shot.id: card for card in reader.cards}
    shown = [(again, cards.get(again.shot)) for again in found]
    times = (_seconds(certain), _seconds(found))
    return _page(request, "preview.html", run=entry, title=title, found=shown, times=times, values=values)


def _seconds(found: Any) -> float:
    return sum((again.seconds or 0.0 for again in found), 0.0)


def _names(studio: Studio) -> dict[str, list[str]]:
    kinds = {"backbone": Kind.BACKBONE, "policy": Kind.MEMORY_POLICY, "planner": Kind.SCRIPT_PLANNER}
    return {name: list(studio.host.registry.names(kind)) for name, kind in kinds.items()}


def _row(entry: RunEntry) -> tuple[RunEntry, int, int]:
    """Return a run with how many shots it has finished and has."""
    if not entry.rendered:
        return entry, 0, 0
    with RunStore(entry.folder, write=False) as store:
        story = json.loads(store.meta("script") or "{}")
        return entry, len(store.finished()), sum(len(scene["shots"]) for scene in story.get("scenes", ()))


def _by_scene(cards: tuple[Card, ...], script: Any) -> list[tuple[str, list[Card]]]:
    groups = groupby(cards, lambda card: card.shot.scene)
    return [(f"Scene {n + 1}: {script.scenes[n].title}".rstrip(": "), list(found)) for n, found in groups]


def _by_step(cards: tuple[Card, ...]) -> list[tuple[str, list[Card]]]:
    groups = groupby(sorted(cards, key=lambda card: (card.step, card.shot.position)), lambda card: card.step)
    return [(f"Round {step}: can be made side by side", list(found)) for step, found in groups]


def _origin(key: str, origins: Any) -> str:
    found = {source for name, source in origins.items() if name == key or name.startswith(f"{key}.")}
    return ", ".join(sorted(found)) or "default"


def _entry(request: Request) -> tuple[Studio, RunEntry]:
    studio = studio_of(request)
    return studio, studio.library.run(request.path_params["run"])


def _page(request: Request, template: str, **values: Any) -> Response:
    studio = studio_of(request)
    values |= {"form_token": request.scope["form_token"], "studio": studio, "queue": studio.jobs}
    return HTMLResponse(studio.templates.get_template(template).render(values))


RUN = "/runs/{run}"
ROUTES = [
    Route("/", runs, name="runs"),
    Route("/new", new),
    Route("/jobs", jobs),
    Route(RUN, board),
    Route(RUN + "/head", head),
    Route(RUN + "/cast", cast),
    Route(RUN + "/script", script),
    Route(RUN + "/settings", settings),
    Route(RUN + "/resume", resume),
    Route(RUN + "/cards/{shot}", card),
    Route(RUN + "/shots/{shot}", shot),
    Route(RUN + "/shots/{shot}/redo", redo),
    Route(RUN + "/shots/{shot}/pin", pin),
    Route(RUN + "/shots/{shot}/transition", transition),
]
