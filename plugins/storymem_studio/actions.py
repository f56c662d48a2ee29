"""What changes something: POST only, from forms of this studio. All work is a storymem command in the queue."""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from storymem.errors import ScriptError
from storymem.script.services import MAX_BRIEF
from storymem_studio import drafts
from storymem_studio.forms import counted, redo_values, render_options
from storymem_studio.guard import check_form
from storymem_studio.library import RunEntry
from storymem_studio.pages import RUN
from storymem_studio.state import Studio, studio_of

Fields = dict[str, str]
_MOST_SHOTS = 500
#: A script of 500 shots has some thousand fields.
_MOST_FIELDS = 20_000


def _new(studio: Studio, entry: RunEntry | None, fields: Fields, shot: str) -> str:
    text = fields.get("idea", "").strip()
    if not 0 < len(text) <= MAX_BRIEF:
        raise ScriptError("say what the film is about")
    made = studio.library.new(fields.get("title", "").strip() or text)
    options = [f"--shots={counted(fields, 'shots', _MOST_SHOTS)}", f"--planner={fields.get('planner', 'outline')}"]
    if style := fields.get("style", "").strip():
        options.append(f"--style={style}")
    studio.jobs.add(made.name, f"write a script: {text[:60]}", ["plan", *options, "-o", str(made.script), "--", text])
    return f"/#{made.name}"


def _save(studio: Studio, entry: RunEntry, fields: Fields, shot: str) -> str:
    drafts.require_unchanged(entry, studio.host, fields.get("version", ""))
    if "text" in fields:
        story = drafts.parse_text(fields["text"], entry, studio.host)
    else:
        story = drafts.with_fields(drafts.draft(entry, studio.host), fields)
    drafts.save(entry, story)
    return f"/runs/{entry.name}/script"


def _start(studio: Studio, entry: RunEntry, fields: Fields, shot: str) -> str:
    command = ["render", str(entry.script), "-o", str(entry.folder), *render_options(fields)]
    studio.jobs.add(entry.name, "render", command)
    return f"/runs/{entry.name}"


def _resume(studio: Studio, entry: RunEntry, fields: Fields, shot: str) -> str:
    edited = [f"--script={entry.script}"] if entry.script.is_file() else []
    studio.jobs.add(entry.name, "render", ["resume", *edited, "--", str(entry.folder)])
    return f"/runs/{entry.name}"


def _film(studio: Studio, entry: RunEntry, fields: Fields, shot: str) -> str:
    studio.jobs.add(entry.name, "join the finished shots", ["film", str(entry.folder)])
    return f"/runs/{entry.name}"


def _revise(studio: Studio, entry: RunEntry, fields: Fields, shot: str) -> str:
    wish = fields.get("wish", "").strip()
    if not 0 < len(wish) <= MAX_BRIEF:
        raise ScriptError("say what is to change")
    drafts.save(entry, drafts.draft(entry, studio.host))
    target = str(entry.folder / drafts.REVISED)
    options = [f"--planner={fields.get('planner', 'llm')}", "-o", target, "--force", "--", str(entry.script), wish]
    studio.jobs.add(entry.name, f"revise: {wish[:60]}", ["revise", *options])
    return f"/runs/{entry.name}/script"


def _accept(studio: Studio, entry: RunEntry, fields: Fields, shot: str) -> str:
    story = drafts.revised(entry, studio.host)
    if story is not None and fields.get("accept") == "yes":
        drafts.save(entry, story)
    drafts.drop_revised(entry)
    return f"/runs/{entry.name}/script"


def _redo(studio: Studio, entry: RunEntry, fields: Fields, shot: str) -> str:
    seed, prompt = redo_values(fields)
    options = [] if seed is None else [f"--seed={seed}"]
    options += [] if prompt is None else [f"--prompt={prompt}"]
    studio.jobs.add(entry.name, f"make shot {shot} again", ["redo", *options, "--", str(entry.folder), shot])
    return f"/runs/{entry.name}/shots/{shot}"


def _pin(studio: Studio, entry: RunEntry, fields: Fields, shot: str) -> str:
    take = [str(counted(fields, "take", 10**9))] if fields.get("take") else []
    title = f"pin take {take[0]} of shot {shot}" if take else f"free shot {shot}"
    studio.jobs.add(entry.name, title, ["pin", "--", str(entry.folder), shot, *take])
    return f"/runs/{entry.name}/shots/{shot}"


def _transition(studio: Studio, entry: RunEntry, fields: Fields, shot: str) -> str:
    story = drafts.with_transition(drafts.draft(entry, studio.host), shot, fields.get("transition", ""))
    drafts.save(entry, story)
    _resume(studio, entry, fields, shot)
    return f"/runs/{entry.name}/shots/{shot}"


async def stop(request: Request) -> Response:
    """Take a job out of the queue, or stop it."""
    await _fields(request)
    studio_of(request).jobs.stop(request.path_params["job"])
    return RedirectResponse("/", 303)


async def new(request: Request) -> Response:
    """Begin a story from an idea."""
    fields = await _fields(request)
    where = await run_in_threadpool(_new, studio_of(request), None, fields, "")
    return RedirectResponse(where, 303)


def _action(work: Callable[[Studio, RunEntry, Fields, str], str]) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        fields = await _fields(request)
        studio, shot = studio_of(request), request.path_params.get("shot", "")
        entry = await run_in_threadpool(studio.library.run, request.path_params["run"])
        return RedirectResponse(await run_in_threadpool(work, studio, entry, fields, shot), 303)

    return endpoint


async def _fields(request: Request) -> Fields:
    """Return the fields of a form that this studio made for this browser."""
    form = await request.form(max_fields=_MOST_FIELDS, max_part_size=16 * 2**20)
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    if not check_form(request.scope, fields.pop("form_token", "")):
        raise HTTPException(403, "this form was not made by this studio; load the page again")
    return fields


_ON_RUN = {"script": _save, "start": _start, "resume": _resume, "film": _film, "revise": _revise, "accept": _accept}
_ON_SHOT = {"redo": _redo, "pin": _pin, "transition": _transition}
ROUTES = [
    Route("/new", new, methods=["POST"]),
    Route("/jobs/{job}/stop", stop, methods=["POST"]),
    *(Route(f"{RUN}/{name}", _action(work), methods=["POST"]) for name, work in _ON_RUN.items()),
    *(Route(f"{RUN}/shots/{{shot}}/{name}", _action(work), methods=["POST"]) for name, work in _ON_SHOT.items()),
]
