import jinja2
import numpy as np
import pytest

from describer.errors import InputError, RecordError
from describer.messages import chat_sha256, pictures, prompt_text
from describer.prompts.build import (
    PromptOptions,
    question_chat,
    region_chat,
    scene_chat,
    template_hashes,
)
from describer.prompts.templates import NAMES, render, source
from describer.types import Scene
from tests.prompts.test_facts import hook_at_work
from tests.scenes import SIZE_WH, frame_of

SCENE = hook_at_work()
FRAME = frame_of(SCENE)
BARE = PromptOptions.parse("none")


def names(chat) -> list[str]:
    return [picture.name for picture in pictures(chat)]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("none", PromptOptions(facts=False, crop=False)),
        ("facts", PromptOptions(crop=False)),
        ("facts,crop", PromptOptions()),
        (" crop , overlay ", PromptOptions(facts=False, overlay=True)),
        ("facts,box", PromptOptions(crop=False, box=True)),
    ],
)
def test_options_parse(text, options):
    assert PromptOptions.parse(text) == options


@pytest.mark.parametrize(
    ("text", "why"),
    [("facts,corp", "corp"), ("", "names nothing"), (",", "names nothing"), ("none,facts", "combines none")],
)
def test_options_refuse(text, why):
    with pytest.raises(InputError, match=why):
        PromptOptions.parse(text)


def test_without_facts_none_of_them_is_left():
    bare = PromptOptions(box=True, looks=True, overlay=True).without_facts()
    assert bare == PromptOptions(facts=False, overlay=True)


def test_options_round_trip_as_a_dict():
    options = PromptOptions(frame=False, facts=True, overlay=False, crop=True)
    assert PromptOptions.from_dict(options.to_dict()) == options
    assert PromptOptions.from_dict({}) == PromptOptions()
    for bad in ({"facts": "yes"}, {"masks": True}):
        with pytest.raises(InputError, match="known: frame"):
            PromptOptions.from_dict(bad)
    with pytest.raises(InputError, match="overlay"):
        PromptOptions(frame=False, overlay=True)
    with pytest.raises(InputError, match="turn 'facts' on"):
        PromptOptions(facts=False, box=True)


def test_a_region_chat():
    text = prompt_text(region_chat(FRAME, SCENE, 4, PromptOptions()))
    assert text == (
        "You describe surgery frames.\n<picture frame 160x128>\n<picture crop 50x50>\n"
        '{"id":4,"label":"gallbladder","sure":"high","place":"center","size":"small",'
        '"touches":["hook 2"],"activity":"dissection"}\n'
        "Describe region 4."
    )


def test_a_box_is_of_the_frame_and_told_where_that_is_shown():
    x0, y0, x1, y1 = SCENE.region(4).box_xyxy
    width, height = SIZE_WH
    told = prompt_text(region_chat(FRAME, SCENE, 4, PromptOptions(box=True)))
    assert f'"box":"<box {x0 / width:.5f} {y0 / height:.5f} {x1 / width:.5f} {y1 / height:.5f}>"}}' in told
    assert "<box" not in prompt_text(region_chat(FRAME, SCENE, 4, PromptOptions(box=True, frame_with_crop=False)))
    assert "<box" not in prompt_text(scene_chat(FRAME, SCENE, PromptOptions(box=True)))


def test_a_scene_chat_and_questions():
    assert prompt_text(scene_chat(FRAME, SCENE, BARE)).endswith("<picture frame 160x128>\nDescribe the scene.")
    chat = question_chat(FRAME, SCENE, " Where is it? ", PromptOptions())
    assert names(chat) == ["frame"]
    assert prompt_text(chat).endswith("}\nWhere is it?")
    chat = question_chat(FRAME, SCENE, "What is it?", PromptOptions(facts=False), region_id=2)
    assert names(chat) == ["frame", "crop"]
    assert prompt_text(chat).endswith("\nRegion 2: What is it?")


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (PromptOptions(), ["frame", "crop"]),
        (BARE, ["frame"]),
        (PromptOptions(frame=False), ["crop"]),
        (PromptOptions(overlay=True, crop=False), ["overlay"]),
    ],
)
def test_which_pictures_are_sent(options, sent):
    assert names(region_chat(FRAME, SCENE, 2, options)) == sent


def test_an_overlay_is_drawn_only_over_regions():
    options = PromptOptions(overlay=True)
    (marked,) = pictures(scene_chat(FRAME, SCENE, options))
    assert marked.image.shape == FRAME.image.shape and (marked.image != FRAME.image).any()
    (plain,) = pictures(scene_chat(FRAME, Scene(SIZE_WH), options))
    assert plain.name == "frame"
    np.testing.assert_array_equal(plain.image, FRAME.image)


def test_chats_are_the_same_each_time_and_differ_by_what_is_sent():
    chats = [region_chat(FRAME, SCENE, i, options) for i in (1, 2) for options in (PromptOptions(), BARE)]
    assert len({chat_sha256(chat) for chat in chats}) == 4
    assert chat_sha256(chats[0]) == chat_sha256(region_chat(FRAME, SCENE, 1, PromptOptions()))


def test_an_unknown_region_is_named():
    with pytest.raises(RecordError, match="no region 8"):
        region_chat(FRAME, SCENE, 8, BARE)


@pytest.mark.parametrize("name", NAMES)
def test_templates_open_with_their_id_and_version_and_miss_nothing(name):
    assert source(name).startswith(f"{{# id: {name} | version: ")
    if name != "system":
        with pytest.raises(jinja2.UndefinedError):
            render(name)


def test_template_hashes_are_of_every_template():
    hashes = template_hashes()
    assert tuple(hashes) == NAMES and len(set(hashes.values())) == len(NAMES)
