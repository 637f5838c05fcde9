import numpy as np
import pytest

from describer.errors import InputError
from describer.messages import Message, Picture, Text, chat_sha256, pictures, prompt_text, to_transformers

RED = np.full((2, 3, 3), (255, 0, 0), dtype=np.uint8)


def ask(text="What is it?", image=RED, name="crop", role="user"):
    return (Message(role, (Picture(image, name), Text(text))),)


def test_prompt_text_names_pictures_with_width_first():
    assert prompt_text(ask()) == "<picture crop 3x2>\nWhat is it?"


def test_to_transformers_keeps_order_and_pixels():
    chat = (Message("system", (Text("Be short."),)), *ask())
    system, user = to_transformers(chat)
    assert system == {"role": "system", "content": [{"type": "text", "text": "Be short."}]}
    assert [part["type"] for part in user["content"]] == ["image", "text"]
    assert np.array_equal(np.asarray(user["content"][0]["image"]), RED)
    assert [p.name for p in pictures(chat)] == ["crop"]


def other_pixel():
    image = RED.copy()
    image[1, 2, 2] = 1
    return image


@pytest.mark.parametrize(
    ("chat", "why"),
    [
        (ask(text="What is it"), "a letter less"),
        (ask(name="frame"), "another picture name"),
        (ask(image=other_pixel()), "one pixel"),
        (ask(image=RED.reshape(3, 2, 3)), "the same bytes in another shape"),
        (ask(role="assistant"), "another speaker"),
        ((Message("user", (Text("What is it?"), Picture(RED, "crop"))),), "another order"),
        ((Message("user", (Picture(RED, "crop"),)), Message("user", (Text("What is it?"),))), "two messages"),
    ],
)
def test_hash_changes_with_everything_sent(chat, why):
    assert chat_sha256(chat) != chat_sha256(ask()), why


def test_hash_is_of_content_not_of_objects():
    assert chat_sha256(ask(image=RED.copy())) == chat_sha256(ask())


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_a_picture_must_be_rgb_uint8(image):
    with pytest.raises(InputError, match="RGB uint8"):
        Picture(image, "crop")


def test_roles_are_checked():
    with pytest.raises(InputError, match="system, user, assistant"):
        Message("robot", ())  # type: ignore[arg-type]
