from describer.prompts.grounding import contradictions, ground
from describer.taxonomy import load_taxonomy
from tests.prompts.test_facts import hook_at_work

CORE = load_taxonomy("core")


def test_text_is_tied_to_regions_and_what_is_made_up_is_listed():
    said = ground(" A hook\n cuts the  liver; a snare waits. ", hook_at_work(), CORE, 2, 0.7)
    assert said.text == "A hook cuts the liver; a snare waits."
    assert [(said.text[a:b], i) for a, b, i in said.mentions] == [("hook", 2), ("liver", 1)]
    assert (said.ungrounded, said.region_id, said.confidence) == (("snare",), 2, 0.7)


def test_contradictions_are_found_in_what_was_grounded():
    said = ground("Two graspers in the lower left.", hook_at_work(), CORE, None, 1.0)
    assert contradictions(said, hook_at_work(), CORE) == [
        "two grasper: the masks show 1",
        "grasper in the lower left: its mask lies in the upper right",
    ]


def test_empty_text():
    said = ground("", hook_at_work(), CORE, None, 0.0)
    assert (said.text, said.mentions, said.ungrounded) == ("", (), ())
