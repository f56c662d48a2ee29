"""The queue: storymem commands as processes that outlive the studio."""

from __future__ import annotations

from pathlib import Path

from studio_support import HOSTILE, Client, Markup, render_small, served, wait_for

from storymem.progress import shots_in_work
from storymem.runs import open_run
from storymem.script.writing import write_data
from storymem_studio.jobs import Jobs

RUN = "/runs/tale"


def test_jobs_run_one_after_the_other_and_say_what_came_of_them(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    good, bad = jobs.add("a", "version", ["--version"]), jobs.add("b", "nonsense", ["status", str(tmp_path / "none")])
    assert [job.state for job in jobs.all()] == ["queued", "queued"]
    jobs.start()
    wait_for(lambda: not any(job.open for job in jobs.all()))
    jobs.close()
    assert [job.state for job in jobs.all()] == ["done", "failed"]
    assert jobs.output(good).startswith("storymem ")
    assert "is not a run folder" in jobs.output(bad)


def test_a_queue_is_found_again_and_a_running_job_is_not_begun_twice(tmp_path: Path) -> None:
    shots = [{"prompt": f"Day {day}."} for day in range(1, 31)]
    write_data(tmp_path / "tale" / "story.json", {"title": "Days", "scenes": [{"shots": shots}]})
    first = Jobs(tmp_path)
    command = ["render", str(tmp_path / "tale" / "story.json"), "-o", str(tmp_path / "tale")]
    first.add("tale", "render", [*command, "--backbone=animatic", "--size=128x64", "--frames=9"])
    first.add("tale", "version", ["--version"])
    first.start()
    wait_for(lambda: first.all()[0].state == "running")
    first.close()
    second = Jobs(tmp_path)
    assert [job.state for job in second.all()] == ["running", "queued"]
    second.start()
    second.stop(second.all()[1].id)
    wait_for(lambda: shots_in_work(tmp_path / "tale") is not None)
    second.stop(second.all()[0].id)
    wait_for(lambda: not any(job.open for job in second.all()))
    second.close()
    assert second.all()[0].state in {"stopped", "done"}
    assert second.all()[1].state == "stopped"
    assert shots_in_work(tmp_path / "tale") is None


def test_a_redo_through_a_form_makes_another_take(tmp_path: Path) -> None:
    render_small(tmp_path / "tale")
    with served(tmp_path) as address, Client(address) as client:
        preview = Markup(client.get(f"{RUN}/shots/1.3/redo?seed=7").text)
        assert "1 shot would be made again" in " ".join(preview.text.split())
        answer = client.form(f"{RUN}/shots/1.3/redo", seed="7", prompt=f"--help {HOSTILE}")
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{RUN}/shots/1.3")
        wait_for(lambda: 'class="job done"' in client.get("/jobs").text)
    with open_run(tmp_path / "tale") as run:
        take = run.takes("1.3")[-1]
        assert (take.number, take.request["seed"]) == (2, 7)
        assert take.request["prompt"].startswith(f"--help {HOSTILE}")
        assert len(run.viewing_copies("1.3")) == 2


def test_wrong_fields_are_one_line(tmp_path: Path) -> None:
    render_small(tmp_path / "tale")
    with served(tmp_path) as address, Client(address) as client:
        for path, fields, words in (
            (f"{RUN}/shots/1.1/redo", {"seed": "-1"}, "must be a whole number"),
            (f"{RUN}/shots/1.1/pin", {"take": "x"}, "must be a whole number"),
            (f"{RUN}/script", {"text": "{", "version": "old"}, "was changed elsewhere"),
            ("/new", {"idea": " ", "shots": "2"}, "say what the film is about"),
        ):
            answer = client.form(path, **fields)
            assert answer.status_code == 409
            assert words in Markup(answer.text).text
        assert client.get("/jobs").text.count('class="job') == 0


def test_a_script_is_saved_only_over_the_one_that_was_read(tmp_path: Path) -> None:
    render_small(tmp_path / "tale")
    with served(tmp_path) as address, Client(address) as client:
        version = client.get(f"{RUN}/script").text.split('name="version" value="')[1].split('"')[0]
        fields = {"version": version, "style": "plain", "prompt:1.3": "Morning comes.", "cut:1.3": "on"}
        assert client.form(f"{RUN}/script", **fields).status_code == 303
        assert client.form(f"{RUN}/script", **fields).status_code == 409
        page = client.get(f"{RUN}/script").text
        assert "Morning comes." in page
        preview = " ".join(Markup(client.get(f"{RUN}/resume").text).text.split())
        assert "1 shot would be made again" in preview


def test_live_updates_begin_with_everything(tmp_path: Path) -> None:
    render_small(tmp_path / "tale")
    with served(tmp_path) as address, Client(address) as client, client.stream("GET", f"{RUN}/live") as stream:
        lines = stream.iter_lines()
        first = next(line for line in lines if line.startswith("data:"))
        assert all(f'"{shot}"' in first for shot in ("1.1", "1.2", "1.3"))
        with open_run(tmp_path / "tale", write=True) as run:
            run.pin("1.1", 1)
        assert next(line for line in lines if line.startswith("data:")) != first
