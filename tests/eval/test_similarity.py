"""Embedding similarity with a tiny model made here, and without any."""

from __future__ import annotations

from pathlib import Path

import pytest

from describer.errors import ModelError
from describer.eval import similarity as module
from describer.eval.similarity import similarity

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "hook", "cuts", "fat", "liver", "is", "seen")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    folder: Path = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(WORDS), **size)).save_pretrained(folder)
    saved = folder.parent / "sentence-model"
    transformer = Transformer(str(folder))
    SentenceTransformer(modules=[transformer, Pooling(16)], device="cpu").save(str(saved), create_model_card=False)
    return str(saved)


def test_nearest_reference_counts(model: str) -> None:
    scores = similarity(["the hook cuts fat", "liver is seen"], [["liver", "the hook cuts fat"], ["fat"]], model)
    assert scores.items["similarity"][0] == pytest.approx(1)
    assert -1 <= scores.items["similarity"][1] < 1
    assert scores.corpus["similarity"] == pytest.approx(sum(scores.items["similarity"]) / 2)
    alone = similarity(["liver is seen"], [["fat"]], model)
    assert alone.items["similarity"][0] == pytest.approx(scores.items["similarity"][1], abs=1e-5)


def test_no_model_is_an_error_with_the_remedy(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(ModelError, match=r"modules\.json"):
        similarity(["a"], [["a"]], str(tmp_path))
    monkeypatch.setattr(module, "_PACKAGE", "a_package_nobody_has")
    with pytest.raises(ModelError, match=r"describer\[similarity\]"):
        similarity(["a"], [["a"]])
