"""Tokens equal to those of Stanford's PTBTokenizer 3.4.1 as pycocoevalcap 1.2 runs it; recorded with its Java."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from describer.eval.ptb import tokenize
from tests.eval.real_text import all_strings, shared

# Recorded one caption at a time, a neutral line after each. "\xa0" is a space inside of one token.
RECORDED = [
    (
        "The tissue can't be cut; it's the surgeon's 2nd attempt.",
        "the tissue ca n't be cut it 's the surgeon 's 2nd attempt",
    ),
    (
        "Don't, won't, cannot, gonna; I'm sure they'll say you're right and he'd've gone.",
        "do n't wo n't can not gon na i 'm sure they 'll say you 're right and he 'd 've gone",
    ),
    (
        "The clip-applier (5 mm) is in the left-hand side [partially visible].",
        "the clip-applier -lrb- 5 mm -rrb- is in the left-hand side -lsb- partially visible -rsb-",
    ),
    (
        "It's 5mm x 10mm; 3.5 cm, 10.5mm, 1,000 ml, .5 and 50% of $5.00 at 12:30pm.",
        "it 's 5mm x 10mm 3.5 cm 10.5 mm 1,000 ml .5 and 50 % of $ 5.00 at 12:30 pm",
    ),
    (
        "U.S. Dr. Smith vs. Mr. Jones, e.g. the liver, i.e. the fat, etc. And so on.",
        "u.s. dr. smith vs. mr. jones e.g. the liver i.e. the fat etc. and so on",
    ),
    ("See No. 5 and Fig. 3, approx. 5 cm. No. Not in fig. A.", "see no. 5 and fig. 3 approx 5 cm no not in fig a."),
    (
        "\"Quoted\" 'single' ``double'' “curly” ‘curly’ don’t surgeon’s",
        "quoted single double curly curly do n't surgeon 's",
    ),
    ("well... okay.. hmm.... a -- b --- c – d — e", "well okay hmm a b c d e"),
    (
        "and/or grasper/hook red/green/black 3 1/2 of 1/2 a/b/c/d w/o",
        "and/or grasper/hook red/green/black 3\xa01/2 of 1/2 a/b/c / d w/o",
    ),
    (
        "http://example.com/a?b=c, www.foo.com foo@bar.org @user #tag",
        "http://example.com/a?b=c www.foo.com foo@bar.org @user #tag",
    ),
    (
        "A_B under_score img_0001.png file.jpg 0300.jpg CASE004/03674.jpg 002-001_5776 grasper,grasp,cystic_plate",
        "a_b under_score img_0001 png file.jpg 0300.jpg case004/03674 jpg 002-001_5776 grasper grasp cystic_plate",
    ),
    (
        "<b>tag</b> <10 >5 a<b x=3 a+b 5±2 °C m² 5µm 5×5 α-β ½",
        "<b> tag </b> < 10 > 5 a < b x = 3 a + b 5 ± 2 ° c m ² 5µm 5 × 5 α-β 1/2",
    ),
    (
        "rock 'n' roll o'clock ma'am y'all d'Avignon '90s '98 5'10\"",
        "rock 'n' roll o'clock ma'am y' all d'avignon '90s '98 5 10",
    ),
    ("{curly} *star* ~tilde ^ | \\ back/slash", "-lcb- curly -rcb- * star * ~ tilde ^ | \\ back/slash"),
    ("Hello!! What?! Really??? yes! no:yes 10:a", "hello !! what ?! really ??? yes no yes 10 a"),
    ("a.m. b.c. I. A. The point B. Then point B. then", "a.m. b.c. i. a the point b then point b. then"),
    ("AT&T R&D &amp; &lt; &quot;x&quot; &nbsp; &#39;", "at&t r&d & < x &#39;"),
    (
        "555-1234 (555) 123-4567 555-123-4567 120 340 5600",
        "555-1234 -lrb-555-rrb-\xa0123-4567 555-123-4567\xa0120 340 5600",
    ),
    (
        "co2 T1-weighted 3D-2D 10x10 1e-5 v1.2 1.5e-3 12/12/2012 -5 +3 5-10 5–10",
        "co2 t1-weighted 3d-2d 10x10 1e-5 v1 .2 1.5e-3 12/12/2012 -5 +3 5-10 5 10",
    ),
    (
        "café naïve 日本 soft\xadhyphen 👋 Forceps[0.14, 0.21, 0.47, 0.77]",
        "café naïve 日本 softhyphen forceps -lsb- 0.14 0.21 0.47 0.77 -rsb-",
    ),
    (":) ;-) no-op. cap'n c'mon 'tis 'twas lemme", ":-rrb- ;--rrb- no-op cap'n c'mon 't is 't was lem me"),
]


@pytest.mark.parametrize(("text", "tokens"), RECORDED)
def test_recorded_sentences(text: str, tokens: str) -> None:
    assert tokenize(text) == tokens


def test_test_data_of_the_public_scorer() -> None:
    data = json.loads(shared("metrics", "surgical_parity.json").read_text())
    for key, raw in data["gts_raw"].items():
        assert list(map(tokenize, raw)) == data["gts_tok"][key]
        assert [tokenize(data["res_raw"][key])] == data["res_tok"][key]


def test_all_real_strings() -> None:
    strings = all_strings(shared("text"))
    tokens = "\n".join(map(tokenize, strings))
    assert len(strings) == 29382
    # Of the Java scorer's tokens, in this order.
    assert hashlib.sha256(tokens.encode()).hexdigest() == (
        "b30a148ca76bad71d2a5376489b8ac3ef989c956f6b576f68e6340f3b9d03707"
    )


@given(st.text(max_size=60))
def test_any_text_gives_clean_tokens(text: str) -> None:
    tokens = tokenize(text)
    assert tokens == tokens.strip()
    assert "  " not in tokens
    assert tokenize(f"  {text}\n") == tokens


@given(st.lists(st.sampled_from(["liver", "hook", "left-hand", "5", "0.14", "fat"]), max_size=8))
def test_plain_words_stay_and_punctuation_goes(words: list[str]) -> None:
    plain = " ".join(word for word in words)
    assert tokenize(", ".join(words) + ".") == plain
