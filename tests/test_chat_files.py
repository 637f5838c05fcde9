"""Training chats on disk: pixels and words come back, pictures once, others' files too, damage named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from describer.chat_files import ChatFile, Example, PictureFiles, to_line, to_llava
from describer.errors import InputError, OutputError
from describer.messages import Message, Picture, Text, chat_sha256

RNG = np.random.default_rng(0)
FRAME = Picture(RNG.integers(0, 255, (20, 30, 3), np.uint8), "frame")
CROP = Picture(RNG.integers(0, 255, (24, 24, 3), np.uint8), "crop")
CHAT = (Message("system", (Text("You look."),)), Message("user", (FRAME, CROP, Text('{"é": 1}\nWhat is this?'))))
EXAMPLE = Example("a/1: region 2", CHAT, "A hook.", "region", "a/1", "case 1", "predicted", ("hook", "liver"))


def written(folder: Path, *examples: Example, kind: str = "png") -> Path:
    files = PictureFiles(folder, kind)
    path = folder / "train.jsonl"
    path.write_text("".join(to_line(example, files) for example in examples), encoding="utf-8")
    return path


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    bare = Example("b", (Message("user", (Text("No picture?"),)),), "No.", "question: existence", "b", "b")
    file = ChatFile.open(written(tmp_path, EXAMPLE, bare))
    read, second = (file.example(i) for i in range(len(file)))
    assert chat_sha256(read.chat) == chat_sha256(CHAT) and chat_sha256(second.chat) == chat_sha256(bare.chat)
    for name in ("id", "answer", "kind", "source", "video", "masks", "labels"):
        assert getattr(read, name) == getattr(EXAMPLE, name) and getattr(second, name) == getattr(bare, name)
    assert file.sizes[0] > file.sizes[1]
    assert [row["id"] for row in file.rows()] == ["a/1: region 2", "b"]


def test_a_picture_is_written_once(tmp_path: Path) -> None:
    copied = (*CHAT[:1], Message("user", (Picture(FRAME.image.copy(), "frame"), Text("Again?"))))
    written(tmp_path, EXAMPLE, Example("c", copied, "Yes.", "scene", "a/1", "case 1"))
    assert len(list(tmp_path.glob("images/frame/*/*"))) == len(list(tmp_path.glob("images/crop/*/*"))) == 1


def test_jpeg_is_smaller_and_close(tmp_path: Path) -> None:
    smooth = np.linspace(0, 250, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    example = Example("s", (Message("user", (Picture(smooth, "frame"), Text("?"))),), "Yes.", "scene", "s", "s")
    file = ChatFile.open(written(tmp_path, example, kind="jpeg"))
    (part, _) = file.example(0).chat[0].parts
    assert isinstance(part, Picture) and np.abs(part.image.astype(int) - smooth).max() < 20
    with pytest.raises(InputError, match="--images 'tiff'"):
        PictureFiles(tmp_path, "tiff")


def test_llava_has_a_mark_for_every_picture(tmp_path: Path) -> None:
    row = json.loads(to_line(EXAMPLE, PictureFiles(tmp_path)))
    made = to_llava(row)
    assert made["system"] == "You look." and made["image"] == row["images"]
    human, gpt = made["conversations"]
    assert human == {"from": "human", "value": '<image>\n<image>\n{"é": 1}\nWhat is this?'}
    assert gpt == {"from": "gpt", "value": "A hook."}


def test_files_of_others_are_read(tmp_path: Path) -> None:
    Image.fromarray(FRAME.image).save(tmp_path / "x.png")
    user = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]}
    turns = [user, {"role": "assistant", "content": "A hook."}]
    (tmp_path / "train.jsonl").write_text(json.dumps({"images": ["x.png"], "messages": turns}) + "\n")
    read = ChatFile.open(tmp_path / "train.jsonl").example(0)
    assert read.answer == "A hook." and chat_sha256(read.chat) == chat_sha256(
        (Message("user", (FRAME, Text("What?"))),)
    )


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("", "no chat is in it"),
        ("not json", r"train\.jsonl:1: no chat"),
        ('{"messages": [{"role": "user", "content": "?"}]}', "no chat"),
        ('{"messages": [{"role": "user", "content": "?"}, {"role": "user", "content": "?"}]}', "no chat"),
        (
            '{"messages": [{"role": "user", "content": [{"type": "image"}]}, {"role": "assistant", "content": "."}]}',
            "without its path",
        ),
        (
            '{"messages": [{"role": "user", "content": [{"type": "image", "path": "gone.png"}]}, '
            '{"role": "assistant", "content": "."}]}',
            r"gone\.png is not there",
        ),
        (
            '{"messages": [{"role": "user", "content": [{"type": "sound"}]}, {"role": "assistant", "content": "."}]}',
            "neither text nor image",
        ),
    ],
)
def test_damage_is_named_with_its_line(tmp_path: Path, line: str, match: str) -> None:
    (tmp_path / "train.jsonl").write_text(line + "\n")
    with pytest.raises(InputError, match=match):
        ChatFile.open(tmp_path / "train.jsonl")
    with pytest.raises(InputError, match="data build"):
        ChatFile.open(tmp_path / "absent.jsonl")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        PictureFiles(tmp_path).save(FRAME)
