"""The page as a server: its API, what it stores, what it lets others reach; and the same annotation as everywhere."""

from __future__ import annotations

import json
import re
import shutil
import threading
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from describer import cli
from describer.demo.api import Endpoints
from describer.demo.events import Settings
from describer.demo.models import Models
from describer.demo.serve import Options, own_folder, parse_auth, warning
from describer.errors import InputError
from describer.pipeline import Describer
from describer.records import from_dict, to_line
from tests.demo.fake import FakeDescriber
from tests.demo.served import Page
from tests.tiny import save_tiny_scene_model


def picture(path: Path, seed: int = 0) -> Path:
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (96, 128, 3), np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def page():
    with Page(FakeDescriber, upload_mb=1) as made:
        yield made


@pytest.fixture(scope="module")
def client(page):
    return Client(page.url, verbose=False)


def test_a_client_gets_the_record_and_an_answer(client, tmp_path):
    path = picture(tmp_path / "frame 1.png")
    record = from_dict(client.predict(handle_file(path), api_name="/annotate"))
    assert [region.label for region in record.scene.regions] == ["grasper", "liver", "fat"]
    assert record.frame.source == "frame 1.png"
    said = client.predict(handle_file(path), "What is held?", api_name="/answer")
    assert (said["answer"], said["region_ids"]) == ("A grasper on the liver.", [1, 2])


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../etc/passwd"])
def test_a_client_cannot_name_a_file_of_the_server(page, path):
    sent = {"path": path, "meta": {"_type": "gradio.FileData"}}
    base = page.url + "gradio_api"
    event = httpx.post(f"{base}/call/annotate", json={"data": [sent]}, timeout=20)
    told = ""
    if event.status_code == 200:
        told = httpx.get(f"{base}/call/annotate/{event.json()['event_id']}", timeout=20).text
    assert "root:" not in told and "event: complete" not in told
    for address in (f"{base}/file={path}", f"{base}/file={page.uploads}/../../etc/passwd", f"{base}/file=/etc/passwd"):
        assert httpx.get(address, timeout=20).status_code in (403, 404)


def test_an_upload_over_the_limit_is_refused(page):
    files = {"files": ("big.png", b"0" * 1_200_000)}
    assert httpx.post(page.url + "gradio_api/upload", files=files, timeout=20).status_code == 413


def test_a_bad_picture_is_told_to_the_client(client, tmp_path):
    (tmp_path / "notes.png").write_text("just a text file")
    with pytest.raises(AppError, match=r"notes\.png: the content is not a picture"):
        client.predict(handle_file(tmp_path / "notes.png"), api_name="/annotate")


def test_a_page_with_a_password_shows_nothing_without_it():
    with Page(FakeDescriber, auth=("surgeon", "secret")) as locked:
        assert httpx.post(locked.url + "gradio_api/upload", files={"files": ("a.png", b"1")}).status_code == 401
        assert httpx.get(locked.url + "config").status_code == 401
        wrong = httpx.post(locked.url + "login", data={"username": "surgeon", "password": "x"})
        right = httpx.post(locked.url + "login", data={"username": "surgeon", "password": "secret"})
        assert (wrong.status_code, right.status_code) == (400, 200)


def test_the_page_names_no_other_server(page):
    html = httpx.get(page.url, timeout=20).text
    loaded = re.findall(
        r"""(?:<script[^>]*\ssrc|<link[^>]*\shref|@import|url\()\s*=?\s*["'(]?(https?://[^"')\s]+)""", html
    )
    assert [address for address in loaded if not address.startswith(page.url)] == []
    assert "research and annotation, not for clinical decisions" in html


def test_visitors_at_once_get_each_their_own(page, tmp_path):
    paths = [picture(tmp_path / f"{i}.png", seed=i) for i in range(4)]
    got: dict[int, dict] = {}

    def visit(i: int) -> None:
        own = Client(page.url, verbose=False)
        got[i] = own.predict(handle_file(paths[i]), api_name="/annotate")

    threads = [threading.Thread(target=visit, args=(i,)) for i in range(len(paths))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {i: record["frame"]["source"] for i, record in got.items()} == {i: f"{i}.png" for i in range(len(paths))}
    assert len({record["frame"]["sha256"] for record in got.values()}) == len(paths)


def test_demo_command_line_and_python_give_the_same_annotation(tmp_path):
    model = str(save_tiny_scene_model(tmp_path / "model"))
    path = picture(tmp_path / "frame.png")
    describer = Describer(scene_model=model, vlm="echo", device="cpu")
    from_python = to_line(describer.annotate(path))
    arguments = ["annotate", str(path), "-o", str(tmp_path / "out"), "--scene-model", model, "--vlm", "echo"]
    assert cli.run([*arguments, "--device", "cpu", "--no-overlays"]) == 0
    from_command_line = (tmp_path / "out/annotations.jsonl").read_text(encoding="utf-8")
    models = Models(lambda: describer)
    models.start()
    upload = shutil.copy(path, tmp_path / "out/upload.png")
    endpoints = Endpoints(models, Settings(tmp_path / "out"))
    from_demo = endpoints.annotate({"path": str(upload), "orig_name": "frame.png"})
    assert json.loads(from_command_line) == json.loads(from_python) == from_demo


def test_own_folder_goes_away_with_all_in_it():
    with own_folder() as folder:
        (folder / "x").write_bytes(b"1")
    assert not folder.exists()


@pytest.mark.parametrize("text", ["surgeon", ":", "a:", ":b", ""])
def test_half_a_password_is_refused(text):
    with pytest.raises(InputError, match="USER:PASSWORD"):
        parse_auth(text)


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        (Options(), False),
        (Options(host="localhost"), False),
        (Options(host="0.0.0.0"), True),
        (Options(host="10.0.0.5"), True),
        (Options(share=True), True),
        (Options(host="0.0.0.0", auth=("a", "b")), False),
    ],
)
def test_who_opens_the_page_to_others_without_a_password_is_warned(options, warned):
    assert bool(warning(options)) == warned
