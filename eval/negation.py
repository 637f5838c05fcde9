"""What an answer affirms and what it denies: yes or no.

Rules over words, for the short plain English of answers and captions; n-gram scores and sentence embeddings are
blind to exactly this ("is active" against "is not active" is 0.88 alike to a common embedding).
"""

from __future__ import annotations

import re
from typing import Literal

Polarity = Literal["yes", "no"]

_YES = re.compile(r"\W*(?:yes|yeah|yep|true|correct|indeed|affirmative)\b", re.IGNORECASE)
_NO = re.compile(r"\W*(?:no|nope|false|incorrect|negative)\b", re.IGNORECASE)
_UNSURE = re.compile(
    r"\b(?:can ?not|can['’]?t|unable to|impossible to|hard to|not possible to|do(?:es)? not|don['’]?t) "
    r"(?:\w+ )?(?:tell|say|determine|know|see clearly|answer|judge)\b"
    r"|\b(?:unsure|not sure|unclear|not clear|unknown|uncertain)\b",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"\b(?:no|not|none|nothing|never|neither|nor|without|absent|cannot|nowhere)\b|\w+n['’]t\b", re.IGNORECASE
)


def polarity(text: str) -> Polarity | None:
    """Whether an answer says yes or no; None when it says neither or says that it does not know.

    A leading yes or no decides, whatever follows ("Yes, no bleeding is seen" is a yes). Without one, a denying
    word anywhere makes it a no ("There are none"). A bare statement ("Forceps") is neither.
    """
    if _YES.match(text):
        return "yes"
    if _NO.match(text):
        return "no"
    if _UNSURE.search(text):
        return None
    return "no" if _DENIES.search(text) else None
