"""What pages show of a finished run, over real HTTP."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from studio_support import HOSTILE, Client, Markup, digests, served

from storymem.runs import open_run

RUN = "/runs/tale"


def test_the_board_has_a_card_for_every_shot(client: Client) -> None:
    page = Markup(client.get(RUN).text)
    cards = [a for a in page.having("article") if "data-shot" in a]
    assert [card["data-shot"] for card in cards] == ["1.1", "1.2", "1.3"]
    assert all("finished" in card["class"] for card in cards)
    assert "3 of 3 shots finished" in page.text
    assert "Mira" in page.text
    assert "continues" in page.text


def test_a_shot_shows_what_it_was_shown_and_why(client: Client, finished: Path) -> None:
    page = Markup(client.get(f"{RUN}/shots/1.2").text)
    with open_run(finished / "tale") as run:
        status = run.status()["1.2"]
        assert status.take is not None
        (sent, kept) = status.take.request["prompt"], run.keyframes("1.2")
    assert len(page.having("img", alt=f"recalled: {status.recalled[0].name}")) == 1
    assert all(keyframe.reason in page.text for keyframe in status.recalled)
    assert page.having("img", alt="handed over: 1.1, end")
    assert all(page.having("img", alt=f"given to memory: {keyframe.name}") for keyframe in kept)
    assert sent in page.text
    assert "It could see 1.1." in " ".join(page.text.split())


def test_refused_candidates_name_filter_score_and_threshold(client: Client, finished: Path) -> None:
    with open_run(finished / "strict") as run:
        one = run.status()["1.1"].rejections[0]
    page = Markup(client.get("/runs/strict/shots/1.1").text)
    assert page.having("img", alt=f"refused: frame {one.frame}")
    assert f"{one.filter}: {one.score:.4g}, threshold {one.threshold:.4g}" in page.text
    assert one.reason in page.text


def test_every_text_is_escaped(client: Client) -> None:
    for path in ("", "?order=graph", "/cast", "/script", "/settings", "/shots/1.1", "/resume"):
        html = client.get(RUN + path).text
        page = Markup(html)
        assert [a.get("src") for a in page.having("script")] == ["/static/studio.js"], path
        assert "<script>alert" not in html
        assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)], path
        assert not [a for _, a in page.tags if "style" in a], path
    assert HOSTILE in Markup(client.get(f"{RUN}/shots/1.1").text).text


def test_files_are_served_by_hash_in_ranges_and_for_ever(client: Client) -> None:
    digest = digests(client.get(f"{RUN}/shots/1.1").text)[0]
    whole = client.get(f"{RUN}/files/{digest}")
    part = client.get(f"{RUN}/files/{digest}", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole.content)}"
    assert "immutable" in whole.headers["Cache-Control"]
    assert whole.headers["Content-Type"] == "video/mp4"
    still = client.get(f"{RUN}/stills/{digest}/3")
    assert still.content.startswith(b"\xff\xd8")
    assert client.get(f"{RUN}/stills/{digest}/999").status_code == 404
    assert client.get(f"{RUN}/film.mp4").status_code == 200


def test_pictures_of_a_page_are_all_there(client: Client) -> None:
    pages = [client.get(RUN + path).text for path in ("", "/cast", "/shots/1.2", "/resume")]
    pages.append(client.get("/runs/strict/shots/1.1").text)
    sources = {a["src"] for html in pages for a in Markup(html).having("img")}
    assert len(sources) > 5
    for source in sources:
        assert client.get(source).headers["Content-Type"] == "image/jpeg", source


def test_settings_say_where_they_come_from(client: Client) -> None:
    text = " ".join(Markup(client.get(f"{RUN}/settings").text).text.split())
    assert "backbone" in text
    assert '"animatic"' in text
    assert "this run" in text
    assert "default" in text


def test_lint_findings_stand_at_their_shot(client: Client) -> None:
    page = Markup(client.get(f"{RUN}/script").text)
    assert page.having("textarea", name="prompt:1.3")
    assert [a for a in page.having("p") if a.get("class", "").startswith("finding")]


def test_unknown_things_are_not_found(client: Client) -> None:
    assert client.get("/runs/other").status_code == 404
    assert client.get(f"{RUN}/shots/9.9").status_code == 409
    assert client.get(f"{RUN}/files/{'0' * 64}").status_code == 404


def test_an_empty_folder_has_a_page(tmp_path: Path) -> None:
    with served(tmp_path / "none") as address, Client(address) as client:
        assert "There are none" in client.get("/").text


def test_a_run_folder_alone_is_one_run(finished: Path) -> None:
    with served(finished / "tale") as address, Client(address) as client:
        assert client.get(RUN).status_code == 200
        assert "is one run" in Markup(client.form("/new", idea="x", shots="2").text).text


def test_nothing_of_a_run_is_changed_by_looking(client: Client, finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished / "tale", copy)
    for path in ("", "/cast", "/script", "/settings", "/shots/1.1", "/shots/1.1/redo", "/shots/1.1/pin?take=1"):
        assert client.get(RUN + path).status_code == 200, path
    kept = {p.relative_to(copy): p.read_bytes() for p in copy.rglob("*") if p.is_file() and "sqlite-" not in p.name}
    assert all((finished / "tale" / name).read_bytes() == data for name, data in kept.items())


def test_the_command_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import importlib.util as u, sys; found = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'uvicorn' else found(name, *a)\n"
        "sys.argv = ['storymem', 'studio']; from storymem.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert 'storymem studio needs uvicorn; pip install "storymem[studio]"' in done.stderr


def test_importing_the_command_imports_no_server() -> None:
    code = "import sys, storymem_studio.command; sys.exit('starlette' in sys.modules or 'uvicorn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
