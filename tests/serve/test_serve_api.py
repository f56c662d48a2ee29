"""The HTTP interface of ``storymem serve``, as clients of OpenAI's shape use it."""

from __future__ import annotations

import base64
import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serve_support import SMALL, Served, png

from storymem.media.video import read_clip


def refused(answer: Any) -> tuple[int, str]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "\n" not in error["message"]
    return answer.status_code, f"{error['code']}: {error['message']}"


def test_a_video_from_order_to_content(animatic: Served, tmp_path: Path) -> None:
    job = animatic.create(seed=7, model="sora-2", user="me")
    assert job["object"] == "video"
    assert job["status"] in ("queued", "in_progress", "completed")
    done = animatic.wait(job["id"])
    assert (done["status"], done["progress"], done["size"], done["seed"]) == ("completed", 100, "64x48", 7)
    assert done["completed_at"] >= done["created_at"]
    answer = animatic.http.get(f"/v1/videos/{job['id']}/content")
    assert answer.headers["content-type"] == "video/mp4"
    (tmp_path / "v.mp4").write_bytes(answer.content)
    assert read_clip(tmp_path / "v.mp4", 16).frames.shape == (9, 48, 64, 3)
    assert animatic.http.get(f"/v1/videos/{job['id']}/content", params={"variant": "x"}).status_code == 400


@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")  # the shape lives on in other servers
def test_the_openai_client_library_is_at_home(animatic: Served) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(api_key="none", base_url=f"{animatic.address}/v1") as client:
        if not hasattr(client, "videos"):
            pytest.skip("this version of the library has no videos")
        made = client.videos.create(
            prompt="A boat.", size="64x48", seconds="1", input_reference=("a.png", png((9, 9, 9)))
        )
        animatic.wait(made.id)
        assert client.videos.retrieve(made.id).status == "completed"
        assert client.videos.download_content(made.id).read()[4:8] == b"ftyp"
        assert made.id in [video.id for video in client.videos.list(limit=5)]
        assert client.videos.delete(made.id).deleted


def test_memory_by_upload_and_by_job(animatic: Served, tmp_path: Path) -> None:
    first = animatic.create(prompt="Anna in a meadow.", seed=1)
    close = {"prompt": "Close-up. She waits.", "size": "208x128", "seed": 5}  # large enough to show its memory
    with_nothing = animatic.create(**close)
    animatic.wait(first["id"])
    frames = animatic.lossless(first["id"], tmp_path)
    picture = base64.b64encode(_png_of(frames[4])).decode()
    by_job = animatic.create(**close, memory=[{"id": first["id"]}])
    by_url = animatic.create(**close, memory=[{"image_url": f"data:image/png;base64,{picture}"}])
    form = {**close, "num_frames": "9", "seed": "5"}
    files = [("memory", ("m.png", _png_of(frames[4]), "image/png"))]
    by_file = animatic.http.post("/v1/videos", data=form, files=files).json()
    references = animatic.create(**close, input_reference=[{"image_url": f"data:image/png;base64,{picture}"}])
    made = []
    for job in (by_job, by_url, by_file, references, with_nothing):
        assert animatic.wait(job["id"])["status"] == "completed"
        made.append(animatic.lossless(job["id"], tmp_path))
    assert all(np.array_equal(made[0], other) for other in made[1:4])
    assert not np.array_equal(made[0], made[4])


def _png_of(frame: Any) -> bytes:
    from storymem.values.picture import encode_png

    return encode_png(frame)


def test_several_references_keep_their_order(animatic: Served, tmp_path: Path) -> None:
    made = []
    for colours in ([(200, 0, 0), (0, 0, 200)], [(0, 0, 200), (200, 0, 0)]):
        files = [("input_reference[]", (f"{i}.png", png(colour), "image/png")) for i, colour in enumerate(colours)]
        form = {"prompt": "Close-up. She waits.", "size": "208x128", "num_frames": "5", "seed": "1"}
        job = animatic.http.post("/v1/videos", data=form, files=files).json()
        assert animatic.wait(job["id"])["status"] == "completed"
        made.append(animatic.lossless(job["id"], tmp_path))
    assert not np.array_equal(*made)


def test_jobs_are_listed_in_pages(animatic: Served) -> None:
    ids = [animatic.create(seed=n)["id"] for n in range(3)]
    page = animatic.http.get("/v1/videos", params={"limit": 2}).json()
    assert [job["id"] for job in page["data"]] == [ids[2], ids[1]]
    assert page["has_more"]
    after = animatic.http.get("/v1/videos", params={"limit": 1, "after": page["last_id"]}).json()
    assert after["data"][0]["id"] == ids[0]
    (model,) = animatic.http.get("/v1/models").json()["data"]
    assert (model["id"], model["storymem"]["fps"], model["storymem"]["frame_step"]) == ("animatic", 16, 4)
    for job_id in ids:
        animatic.wait(job_id)


def test_one_key_is_one_job(animatic: Served) -> None:
    order = {"prompt": "A boat.", **SMALL}
    first, again = (
        animatic.http.post("/v1/videos", json=order, headers={"Idempotency-Key": "k1"}).json() for _ in range(2)
    )
    assert first["id"] == again["id"]
    other = animatic.http.post("/v1/videos", json={**order, "prompt": "x"}, headers={"Idempotency-Key": "k1"})
    assert refused(other)[0] == 409
    animatic.wait(first["id"])


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x", "size": "65x48"}, "nearest is 64x48"),
        ({"prompt": "x", "size": "big"}, "size"),
        ({"prompt": "x", "num_frames": 8}, "nearest is 9"),
        ({"prompt": "x", "fps": 24}, "fps 24 is not made here; it is 16"),
        ({"prompt": "x", "seed": -1}, "seed"),
        ({"prompt": "x", "num_inference_steps": 5}, "num_inference_steps: unknown key"),
        ({"prompt": "x", "input_reference": "https://example.com/a.png"}, "must be an upload"),
        ({"prompt": "x", "input_reference": {"file_id": "f"}}, "must be an upload"),
        ({"prompt": "x", "memory": "data:image/png;base64,AAAA"}, "cannot be read"),
        ({"prompt": "x", "memory": [{"id": "video_0"}]}, "there is no video 'video_0'"),
        ({"prompt": "x", "memory_entities": [["Anna"]]}, "memory_entities names 1 pictures; there are 0"),
        ({"prompt": "x", "subjects": "{"}, "subjects"),
        ([], "must be a JSON object"),
    ],
)
def test_wrong_orders_are_one_line(animatic: Served, order: Any, says: str) -> None:
    status, said = refused(animatic.http.post("/v1/videos", json=order))
    assert status in (400, 404)
    assert says in said


def test_what_is_no_request_of_ours(animatic: Served) -> None:
    http = animatic.http
    assert http.get("/v1/nothing").status_code == 404
    assert refused(http.get("/v1/videos/video_x"))[1] == "not_found: there is no video 'video_x'"
    assert http.post("/v1/videos", content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    assert http.post("/v1/videos", content=b"prompt", headers={"Content-Type": "text/plain"}).status_code == 415
    assert http.get("/v1/videos/..%2f..%2flock").status_code == 404


def test_pages_of_other_sites_may_not_call(animatic: Served) -> None:
    wrong = {"Host": "evil.example"}
    assert refused(animatic.http.get("/v1/videos", headers=wrong))[0] == 403
    order = {"prompt": "x", **SMALL}
    assert refused(animatic.http.post("/v1/videos", json=order, headers={"Origin": "https://evil.example"}))[0] == 403
    assert refused(animatic.http.post("/v1/videos", json=order, headers={"Origin": "null"}))[0] == 403


def test_bodies_are_bounded_before_they_are_read(animatic: Served) -> None:
    host, port = animatic.address.removeprefix("http://").split(":")
    for length, status in (("Content-Length: 99999999999", b"413"), ("Transfer-Encoding: chunked", b"411")):
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(f"POST /v1/videos HTTP/1.1\r\nHost: {host}\r\n{length}\r\n\r\n".encode())
            assert status in connection.recv(100)


def test_a_job_keeps_nothing_but_its_own_folder(animatic: Served) -> None:
    job = animatic.create()
    animatic.wait(job["id"])
    folder = animatic.folder / "jobs" / job["id"]
    assert json.loads((folder / "job.json").read_text())["status"] == "completed"
    assert animatic.http.delete(f"/v1/videos/{job['id']}").json()["deleted"]
    assert not folder.exists()
    assert animatic.http.get(f"/v1/videos/{job['id']}").status_code == 404
