"""The guard over backends that decode out of reach: asked again, then flagged, and never rewritten."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from describer.errors import InputError
from describer.guard import Said, check_guard, check_of, say
from describer.messages import Chat, Text, prompt_text
from describer.taxonomy import load_taxonomy
from describer.vlm.base import Checked, Generated, GenerationSettings
from tests.scenes import disc, rod, scene_of
from tests.vlm.contract import chat

CORE = load_taxonomy("core")
SCENE = scene_of(("grasper", rod((0, 10), (40, 20))), ("liver", disc((120, 100), (20, 12))))
CHECK = check_of(SCENE, CORE, None)
SETTINGS = GenerationSettings()
GOOD, WRONG_PLACE, ABSENT = "A grasper in the upper left.", "A grasper in the lower left.", "A snare and the liver."
BOTH = "A snare and a grasper in the lower left."


class Server:
    """Says its answers one after the other to every chat; keeps what it was asked."""

    name, adapter, prompt_options = "server", None, None

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[list[Chat]] = []

    def generate(self, chats: Sequence[Chat], settings: GenerationSettings | None = None) -> list[Generated]:
        self.asked.append(list(chats))
        text = self.answers[min(len(self.asked), len(self.answers)) - 1]
        return [Generated(text, 0.5) for _ in chats]


def said_by(server: Server, guard: str) -> Said:
    (said,) = say(server, [chat("Describe the scene.")], [CHECK], SETTINGS, guard)
    return said


def test_off_says_what_the_model_says_and_checks_nothing():
    server = Server(ABSENT)
    assert said_by(server, "off") == Said(Generated(ABSENT, 0.5)) and len(server.asked) == 1


def test_flag_says_the_same_and_what_is_wrong_with_it():
    server = Server(BOTH)
    said = said_by(server, "flag")
    assert (said.generated.text, said.withheld, len(server.asked)) == (BOTH, (), 1)
    assert [what.partition(":")[0] for what in said.flags] == ["snare", "grasper in the lower left"]


def test_strict_asks_again_with_the_faults_named():
    server = Server(BOTH, WRONG_PLACE, GOOD)
    said = said_by(server, "strict")
    assert (said.generated.text, said.flags) == (GOOD, ())
    assert [what.partition(":")[0] for what in said.withheld] == ["snare", "grasper in the lower left"]
    ((again,), (last,)) = server.asked[1:]
    assert [message.role for message in again] == ["system", "user", "assistant", "user"]
    assert again[2].parts == (Text(BOTH),)
    assert "- snare: not in the scene\n" in prompt_text(again)
    assert "snare" not in prompt_text(last[3:]) and WRONG_PLACE in prompt_text(last)


@pytest.mark.parametrize("answers", [(ABSENT,), (ABSENT, ""), (ABSENT, BOTH), (ABSENT, "Two snares.")])
def test_what_gets_no_better_stays_as_it_was_first_said_and_is_flagged(answers):
    server = Server(*answers)
    said = said_by(server, "strict")
    assert (said.generated.text, said.withheld) == (ABSENT, ())
    assert said.flags == ("snare: not in the scene",) and len(server.asked) == 3


def test_only_faulty_texts_are_asked_again():
    class Mixed(Server):
        def generate(self, chats, settings=None):
            self.asked.append(list(chats))
            return [Generated(ABSENT if "one" in prompt_text(c) and len(c) == 2 else GOOD, 0.5) for c in chats]

    server = Mixed()
    chats = [chat("two"), chat("one"), chat("three")]
    said = say(server, chats, [CHECK] * 3, SETTINGS, "strict")
    assert [s.generated.text for s in said] == [GOOD] * 3
    assert [len(asked) for asked in server.asked] == [3, 1]


def test_a_backend_that_checks_while_decoding_is_left_to_do_so():
    class Local(Server):
        def generate_checked(self, chats, checks, settings=None):
            assert not checks[0](GOOD) and checks[0](BOTH)
            return [Checked(Generated(WRONG_PLACE, 0.4), ("snare: not in the scene",)) for _ in chats]

    said = said_by(Local(BOTH), "strict")
    assert said.generated.text == WRONG_PLACE and said.withheld == ("snare: not in the scene",)
    assert said.flags == ("grasper in the lower left: its mask lies in the upper left",)
    assert said_by(Local(BOTH), "flag").generated.text == BOTH


def test_an_unknown_guard_is_refused():
    assert [check_guard(guard) for guard in ("off", "flag", "strict")] == ["off", "flag", "strict"]
    with pytest.raises(InputError, match="use one of off, flag, strict"):
        check_guard("on")
