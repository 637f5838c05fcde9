"""Boxes to each family's numbers and back, within a pixel of the frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from describer.messages import Message, Picture, Text, box_mark, marked_boxes
from describer.vlm.coordinates import BoxStyle, Resize, style_for, style_of, with_boxes

FAMILIES = {
    "LlavaProcessor": "shares",
    "Idefics3Processor": "shares",
    "SmolVLMProcessor": "shares",
    "Gemma3Processor": "shares",
    "google/medgemma-4b-it": "shares",
    "Qwen2VLProcessor": "thousand",
    "Qwen/Qwen2-VL-2B-Instruct": "thousand",
    "Qwen2_5_VLProcessor": "pixels",
    "Qwen/Qwen2.5-VL-7B-Instruct": "pixels",
    "qwen2.5vl:3b": "pixels",
    "Qwen3VLProcessor": "thousand",
    "qwen3-vl:8b": "thousand",
    "InternVLProcessor": "thousand",
    "OpenGVLab/InternVL3-8B-hf": "thousand",
    "PaliGemmaProcessor": "loc",
    "google/paligemma2-3b-mix-224": "loc",
}

BOXES = st.tuples(st.integers(256, 1280), st.integers(256, 1024), *[st.floats(0, 1)] * 4)


def drawn(width, height, left, top, right, bottom):
    """(box in pixels, size): at least 2 px a side."""
    x0, y0 = int(left * (width - 2)), int(top * (height - 2))
    return (x0, y0, x0 + 2 + int(right * (width - 2 - x0)), y0 + 2 + int(bottom * (height - 2 - y0))), (width, height)


@pytest.mark.parametrize("name, form", FAMILIES.items())
def test_each_family_has_its_form(name, form):
    assert style_of(name).form == form


@pytest.mark.parametrize("form", sorted(set(FAMILIES.values())))
@given(numbers=BOXES)
def test_there_and_back_within_a_pixel_of_the_frame(form, numbers):
    box, (width, height) = drawn(*numbers)
    style = BoxStyle(form)
    # The picture is sent at most 672 px large; its box is one of the frame.
    scale = min(1.0, 672 / max(width, height))
    sent = (max(1, round(width * scale)), max(1, round(height * scale)))
    written = marked_boxes(box_mark(box, (width, height)), lambda shares: style.write(shares, sent))
    read = style.read(f"There it is: {written}.", sent)
    assert len(read) == 1
    # A thousandth of 1280 px is more than a pixel: half a step of the coarsest numbers is what can be had.
    assert np.abs(np.array(read[0]) * (width, height, width, height) - box).max() <= 1.0


def test_numbers_are_the_familys():
    shares = (0.1, 0.2, 0.5, 1.0)
    size_wh = (640, 480)
    assert BoxStyle("shares").write(shares, size_wh) == "[0.100, 0.200, 0.500, 1.000]"
    assert BoxStyle("thousand").write(shares, size_wh) == "[100, 200, 500, 1000]"
    assert BoxStyle("loc").write(shares, size_wh) == "<loc0205><loc0102><loc1023><loc0512>"
    # 640 x 480 is shown as 644 x 476: multiples of 28.
    assert BoxStyle("pixels").write(shares, size_wh) == "[64, 95, 322, 476]"


@pytest.mark.parametrize("text", ["[3, 2, 1, 4]", "[0, 0, 2000, 10]", "[1, 2, 3]", "[1, 2, 3, 4, 5]", "no box", ""])
def test_what_is_no_box_is_not_read(text):
    assert BoxStyle("thousand").read(text, (100, 100)) == []


def test_boxes_are_found_in_what_models_say():
    said = '```json\n[{"bbox_2d": [100, 200, 300, 400], "label": "hook"}]```<box>[[0,0,1000,500]]</box>'
    assert BoxStyle("thousand").read(said, (64, 64)) == [(0.1, 0.2, 0.3, 0.4), (0.0, 0.0, 1.0, 0.5)]
    assert BoxStyle("loc").read("<loc0000><loc0512><loc1023><loc1023> hook", (64, 64))[0][1] == 0


@pytest.mark.parametrize("size_wh", [(1280, 1024), (30, 30), (672, 538), (5000, 4000), (29, 900), (672, 100)])
def test_the_size_a_model_sees_is_the_processors(size_wh):
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    least, most = 56 * 56, 28 * 28 * 1280
    images = Qwen2VLImageProcessorPil(size={"shortest_edge": least, "longest_edge": most})
    pixels = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    _, rows, columns = images(pixels, return_tensors="np")["image_grid_thw"][0]
    processor = type("Qwen2_5_VLProcessor", (), {"image_processor": images})()
    assert style_for(processor).resize == Resize(28, least, most)
    assert style_for(processor).resize.seen(size_wh) == (columns * 14, rows * 14)


def test_a_mark_in_json_becomes_numbers():
    facts = f'{{"id":1,"box":"{box_mark((0, 0, 320, 480), (640, 480))}"}}'
    assert marked_boxes(facts, lambda shares: BoxStyle("thousand").write(shares, (640, 480))) == (
        '{"id":1,"box":[0, 0, 500, 1000]}'
    )


def test_boxes_of_a_chat_are_of_its_first_picture():
    frame, crop = (
        Picture(np.zeros((480, 640, 3), np.uint8), "frame"),
        Picture(np.zeros((64, 64, 3), np.uint8), "crop"),
    )
    mark = box_mark((64, 96, 320, 480), (640, 480))
    chat = (Message("system", (Text("Hi"),)), Message("user", (frame, crop, Text(f"Describe region 1 at {mark}."))))
    system, user = with_boxes(chat, BoxStyle("pixels"))
    assert system.parts[0].text == "Hi"
    assert user.parts[:2] == (frame, crop)
    assert user.parts[2].text == "Describe region 1 at [64, 95, 322, 476]."
    assert with_boxes(chat[:1], BoxStyle()) == chat[:1]
