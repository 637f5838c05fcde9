import subprocess
import sys

import pytest

from describer.errors import ModelError
from describer.vlm import GenerationSettings, load_vlm
from describer.vlm.echo import EchoVLM, json_objects
from tests.vlm.contract import CHATS, FACTS, BackendContract, chat


class TestEcho(BackendContract):
    @pytest.fixture(scope="class")
    def vlm(self):
        return load_vlm("echo")

    def test_says_what_the_facts_say(self, vlm):
        assert vlm.generate([chat(FACTS)])[0].text.startswith("The grasper is at upper left. [")

    def test_says_what_the_scene_facts_say(self, vlm):
        facts = '{"activity":"cutting","instruments":[[1,"hook",[1]]],"others":[[2,"liver",[2,3]]],"contacts":[]}'
        text = vlm.generate([chat(facts)])[0].text
        assert text.startswith("The view shows hook, liver. The activity is cutting. [")

    def test_the_hash_sees_pixels(self, vlm):
        one, other = vlm.generate([chat(FACTS, seed=1), chat(FACTS, seed=2)])
        assert one.text != other.text

    def test_is_cut_at_the_token_limit(self, vlm):
        assert vlm.generate(CHATS[:1], GenerationSettings(max_new_tokens=2))[0].text.count(" ") == 1


def test_echo_has_no_adapter():
    assert EchoVLM.adapter is None
    with pytest.raises(ModelError, match="echo has no weights"):
        load_vlm("echo", adapter="somewhere")


@pytest.mark.parametrize("text", ["{broken", 'words {"a": 1', "{{}", "[1]", ""])
def test_text_without_facts_is_no_error(text):
    assert all(isinstance(found, dict) for found in json_objects(text))


def test_objects_are_found_between_words():
    assert list(json_objects('a {"x":{"y":1}} b {"z":2}')) == [{"x": {"y": 1}}, {"z": 2}]


def test_echo_needs_no_torch():
    code = "import sys; from describer.vlm import load_vlm; load_vlm('echo'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
