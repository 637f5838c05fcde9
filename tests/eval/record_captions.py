"""Records the real items' scores by pycocoevalcap and sacrebleu, for test_caption_parity.py; no test runs it.

python -m venv coco && coco/bin/pip install pycocoevalcap==1.2 sacrebleu==2.6.0 pytest     # and a Java
coco/bin/python tests/eval/record_captions.py
"""

from __future__ import annotations

import json
from pathlib import Path

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
from real_text import items, shared
from sacrebleu.metrics import CHRF

TARGET = Path(__file__).parent / "recorded_captions.json"


def main() -> None:
    predictions, references = items(shared("text"))
    tokenizer = PTBTokenizer()
    ours = tokenizer.tokenize({key: [{"caption": text}] for key, text in predictions.items()})
    theirs = tokenizer.tokenize({key: [{"caption": text} for text in texts] for key, texts in references.items()})
    bleu, bleu_items = Bleu(4).compute_score(theirs, ours, verbose=0)
    found = {f"bleu_{n + 1}": (bleu[n], bleu_items[n]) for n in range(4)}
    found["rouge_l"] = Rouge().compute_score(theirs, ours)
    found["cider_d"] = Cider().compute_score(theirs, ours)
    found["meteor"] = Meteor().compute_score(theirs, ours)
    chrf = CHRF()
    most = max(map(len, references.values()))
    columns = [[texts[i] if i < len(texts) else None for texts in references.values()] for i in range(most)]
    found["chrf"] = (
        chrf.corpus_score(list(predictions.values()), columns).score,
        [chrf.sentence_score(text, references[key]).score for key, text in predictions.items()],
    )
    corpus = {key: float(whole) for key, (whole, _) in found.items()}
    per_item = {key: [round(float(value), 9) for value in values] for key, (_, values) in found.items()}
    TARGET.write_text(json.dumps({"corpus": corpus, "items": per_item}) + "\n")


if __name__ == "__main__":
    main()
