import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from describer.bench_guard import GuardBench, frames_of, guard_bench, summary, to_text, total_of
from describer.cli import run
from describer.errors import InputError, OutputError
from describer.pipeline import Describer
from describer.vlm.base import Checked, Generated
from tests.tiny import save_tiny_scene_model


class Liar:
    """Says a label that no tiny scene has, unless it is held back."""

    name, adapter, prompt_options = "liar", None, None

    def generate(self, chats, settings=None):
        return [Generated("A mucosal flap lies there.", 0.5, (1, 2, 3, 4)) for _ in chats]

    def generate_checked(self, chats, checks, settings=None):
        assert all(check("A mucosal flap.")[0].hard for check in checks)
        return [Checked(Generated("It lies there.", 0.4, (1, 2)), ("flap",)) for _ in chats]


@pytest.fixture(scope="module")
def describer(tmp_path_factory):
    made = Describer(str(save_tiny_scene_model(tmp_path_factory.mktemp("scene"))), "echo", device="cpu")
    made.vlm = Liar()
    find = made.find_scenes

    def scenes(frames):
        kept = [(scene, [r.id for r in scene.regions if r.label != "mucosal flap"]) for scene in find(frames)]
        return [scene.only(ids) for scene, ids in kept]

    made.find_scenes = scenes
    return made


@pytest.fixture
def pictures(tmp_path):
    for i in range(5):
        Image.fromarray(np.full((40, 50, 3), 40 * i, np.uint8)).save(tmp_path / f"{i}.png")
    rows = [{"file": f"{i}.png", "type": "image"} for i in range(5)] + [{"file": "x.mp4", "type": "video"}]
    (tmp_path / "index.json").write_text(json.dumps(rows))
    return tmp_path


def test_real_frames_are_taken_evenly(pictures):
    for real in (pictures / "index.json", pictures):
        bench = GuardBench(frames=1, real=real, real_frames=2)
        assert total_of(bench) == 3
        named = list(frames_of(bench))
        assert [name for name, _ in named] == ["rendered", "real", "real"]
        assert [frame.ref.source for _, frame in named[1:]] == ["0.png", "2.png"]
    assert total_of(replace(bench, real_frames=99)) == 6
    (pictures / "index.json").write_text("{}")
    assert total_of(GuardBench(frames=2, real=None)) == 2
    (pictures / "index.json").write_text('[{"no": 1}]')
    with pytest.raises(InputError, match=r"give an index\.json"):
        total_of(GuardBench(real=pictures / "index.json"))


def test_both_guards_are_measured_and_a_killed_bench_goes_on(describer, pictures, tmp_path, monkeypatch):
    out = tmp_path / "out"
    bench = GuardBench(frames=2, real=pictures / "index.json", real_frames=2)
    seen = []
    found = guard_bench(describer, bench, out, seen.append)
    assert sum(seen) == 4
    for name in ("rendered", "real"):
        off, strict = found[name]["off"], found[name]["strict"]
        assert off["frames"] == strict["frames"] == 2
        assert off["hallucination"]["count"] == off["texts"] == strict["texts"] == strict["withheld"]["count"]
        assert strict["hallucination"] == {"rate": 0.0, "count": 0, "of": 0}
        assert (off["perplexity"], strict["perplexity"]) == (2.0, 2.5)
        assert found[name]["strict / off"] == {"perplexity": 1.25, "words": 0.6, "changed texts": 1.0}
    assert "rendered, strict / off: perplexity 1.25" in to_text(found)
    lines = (out / "guard.jsonl").read_text().splitlines(keepends=True)
    (out / "guard.jsonl").write_text("".join(lines[:3]) + lines[3][:20])
    asked = []
    monkeypatch.setattr(describer, "said_of", lambda *a, said_of=describer.said_of: asked.append(a[0]) or said_of(*a))
    again = guard_bench(describer, bench, out)
    assert sum(map(len, asked)) == 2 * 2, "two frames, off and strict"
    assert again["real"]["off"]["hallucination"] == found["real"]["off"]["hallucination"]
    monkeypatch.setattr(describer.vlm.__class__, "name", "another")
    with pytest.raises(OutputError, match="other models"):
        guard_bench(describer, bench, out)


def test_a_backend_without_tokens_has_no_perplexity():
    counts = {"texts": 2, "words": 6, "mentions": 1, "hallucinated": 0, "contradicted": 0, "seconds": 1.0}
    found = summary([{"set": "real", "off": counts, "strict": counts, "changed": []}])
    assert found["real"]["off"]["perplexity"] is None and found["real"]["strict / off"]["perplexity"] is None
    assert "unknown" in to_text(found)


def test_the_command_prints_its_table(describer, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("describer.pipeline.Describer", lambda *options: describer)
    assert run(["bench", "guard", "-o", str(tmp_path / "out"), "--frames", "1"]) == 0
    assert "rendered  strict  1" in capsys.readouterr().out
