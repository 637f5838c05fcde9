"""What a question about a picture can not be: who the patient is, what will become of them, what should be done.

Rules, not a model, so that what is refused can be read here and is refused every time. They name what no frame can
tell; a question that fits none of them is answered, be it wisely or not: to refuse a fair question costs more than to
answer an idle one, which the confidence still may hold back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CAN_ANSWER = (
    "I can say what the picture shows: which instruments and tissues, how many and where, how they look, "
    "what touches or does what, the phase of the operation, and how clear the view is."
)

_PERSON = r"(?:patient|person|surgeon|doctor|nurse|operator|hospital|clinic)"
_TRAIT = r"(?:name|age|sex|gender|identity|id|height|weight|ethnicity|race|bmi|address|birthday|nationality)"
_TEAM = r"(?:surgeons?|doctors?|physicians?|nurses?|operators?|assistants?|surgical team|team|endoscopists?)"
_PRAISE = (
    r"(?:good|bad|skil+e?d|skill?ful|experienced|competent|careless|tired|trained|nervous|right|wrong|"
    r"[\w-]+-handed)"
)
_NOW = r"(?:now |safely |already )?"
_DO = (
    r"(?:cut|clip|proceed|continue|start|stop|remove|resect|divide|dissect|coagulate|convert|close|operate|give|take|"
    r"use|ligate|burn)"
)


@dataclass(frozen=True, slots=True)
class _Rule:
    """``reason`` is the first sentence of the refusal; any of ``patterns`` in the plain question calls it."""

    reason: str
    patterns: tuple[re.Pattern[str], ...]


def _rule(reason: str, phrases: str, *patterns: str) -> _Rule:
    """``phrases``, divided by commas, are looked for as whole words; a ``*`` ends a word that may go on."""
    listed = (re.escape(phrase.strip()).replace(r"\*", r"\w*") for phrase in phrases.split(","))
    return _Rule(reason, tuple(map(re.compile, (rf"\b(?:{'|'.join(listed)})\b", *patterns))))


_RULES = (
    _rule(
        "A picture of the operation does not tell who anybody is, nor where or when it was made.",
        "which hospital, what hospital, which country, what country, which city, what city, which company, "
        "which brand, "
        "what brand, manufacturer, which surgeon, which doctor, what day, what date, what year, what time, pregnant, "
        "obese, a smoker, married, have children, has children, left-handed, right-handed",
        r"^(?:so |and )?who(?:'s|se|m)?\b(?! (?:instrument|tool)\b)",
        rf"\b{_PERSON}(?:'s|s')? {_TRAIT}\b|\b{_TRAIT} (?:of|is|has) (?:the |this |that )?{_PERSON}\b",
        r"\bhow (?:old|tall|heavy) (?:is|was) (?:the |this )?(?:patient|person|man|woman|he|she|surgeon|doctor)\b",
        r"\bpatient\b.*\b(?:male|female|man|woman|boy|girl|child|adult)\b",
        r"\b(?:male|female|man|woman|boy|girl|child|adult)\b.*\bpatient\b",
        r"^(?:is|was) (?:this|it|that|he|she) an? (?:male|female|man|woman|boy|girl|child|adult)\b",
        r"^(?:where|when) (?:was|were|is|did|does) (?:this|the) (?:operation|surgery|video|film|image|picture|photo|"
        r"procedure|recording)\b.*\b(?:recorded|filmed|performed|made|done|taken|take place)$",
        r"\bidentify (?:the |this )?(?:patient|surgeon|person)\b",
    ),
    _rule(
        "A picture does not tell what will become of the patient.",
        "prognos*, surviv*, mortality, life expectancy, die, dies, died, dying, death, alive, recover, recovers, "
        "recovery, recovering, heal, heals, healing, healed, recur, recurs, recurrence, come back, "
        "complication*, risk, "
        "risks, outcome, outcomes, side effect, side effects, long-term, long term, chance of, chances of, odds of, "
        "probability of, likelihood of, how likely, success*, go home, get home, back to work, follow-up, follow up, "
        "harm the patient",
        r"\bpatient (?:be |feel |do )?(?:going to be )?(?:okay|ok|fine|all right|alright|safe|better|well)\b",
    ),
    _rule(
        "A picture does not tell what comes after it.",
        "about to, forecast*, in the future, afterwards, how much longer, would happen, could happen, might happen",
        r"\bnext\b(?! (?:to|frames?|pictures?|images?)\b)",
        r"\bwill (?!you\b)|\bgoing to (?!the\b)",
        r"\bhow (?:long|much time|many (?:minutes|hours)) (?:will|until|till|is left|remains?|does|did|has|have|"
        r"more)\b",
        r"\bwhen (?:will|does|is) .*\b(?:end|over|finish\w*|done)$",
    ),
    _rule(
        "I give no advice on what to do: that is for the surgeon.",
        "ought to, supposed to, recommend*, advi*, you suggest, suggestion, suggestions, would you operate, "
        "treatment, "
        "treatments, therapy, therapies, therapeutic, cure, cured, chemo*, radiotherapy, management plan, "
        "second opinion, "
        "second operation",
        r"\bshould (?!be (?:called|named)\b)",
        r"\b(?:best|safest|better|correct|optimal|ideal) (?:way|approach|technique|option|choice|place|time|plane|"
        r"strategy|instrument|tool) (?:to|for)\b|\bright (?:approach|technique|choice|decision|plane|(?:way|"
        r"time) to)\b",
        r"\bis it (?:too )?(?:safe|ok|okay|fine|necessary|time|better|dangerous|late|early|risky) to\b",
        rf"\bis it possible to {_DO}\b|\benough to {_DO}\b",
        rf"\b(?:can|could|may|must|do|shall) (?:i|we) {_NOW}{_DO}\b",
        r"\bhow (?:do|can|could|would|shall|must) (?:i|we|you|one) .*\b(?:stop|control|avoid|prevent|treat|perform|"
        r"improve|repair|manage|fix|proceed|continue|remove)\b",
        r"\bneeds? (?:surgery|an operation|to be (?:operated|removed|treated|converted))\b",
    ),
    _rule(
        "I make no diagnosis: a picture alone does not settle what the patient has.",
        "diagnos*, malignan*, benign, cancer*, metasta*, carcinoma*, sarcoma*, symptom, symptoms, medical history, "
        "pathology report, biopsy report, biopsy result, biopsy results, lab results, in pain, allergic, allergies",
        r"\b(?:disease|illness|disorder|syndrome)\b.*\bpatient\b|\bpatient\'s (?:disease|illness|condition)\b|"
        r"\bcondition of the patient\b",
        r"\bpatient (?:have|has|suffer\w*|sick|ill)\b|\b(?:has|have) the patient\b",
        r"\bis (?:this|it|that) (?:an? )?(?:acute |chronic )?\w+itis\b",
        r"\b(?:stage|grade) (?:of|is) (?:the |this )?(?:tumou?r|disease)\b",
    ),
    _rule(
        "A picture tells nothing of drugs, doses or what the monitors read.",
        "dose, doses, dosage, dosing, milligram, milligrams, mg, medication, medications, medicine, drug, "
        "drugs, pill, "
        "pills, prescri*, antibiotic*, painkiller*, aspirin, heparin, morphine, propofol, insulin, anesthe*, "
        "anaesthe*, "
        "sedat*, transfus*, heart rate, pulse rate, blood pressure, blood loss, blood type, blood group, "
        "blood sugar, "
        "oxygen saturation, spo2, vital signs, body temperature, fever, hemoglobin, haemoglobin",
        r"\bhow much blood .*\blos[te]\b",
    ),
    _rule(
        "I do not judge people, nor questions of law, consent or money.",
        "legal*, illegal*, law, laws, lawsuit, lawyer, lawyers, malpractice, sue, sued, liab*, negligen*, "
        "guilty, court, "
        "authorities, insurance, consent*, whose fault, to blame, cost, costs, price, prices, expensive, "
        "salary, mistake, "
        "mistakes, wrong decision",
        r"\berrors? (?:by|made|did)\b|\bdo(?:es|ing)? (?:anything|something) wrong\b",
        rf"\bhow {_PRAISE} (?:is|are|was) .*\b{_TEAM}\b",
        rf"\b(?:is|was|are|were) (?:the |this |his |her )?{_TEAM} (?:very |any )?{_PRAISE}(?! side\b)",
        r"\brate (?:the|this) (?:surgeon|performance|skill)\w*",
    ),
    _rule(
        "That is not about the picture.",
        "how are you, what's up, nice to meet you, your name, your favourite, your favorite, your opinion, your age, "
        "about yourself, what can you do, who are you, trained you, made you, built you, weather, rain, "
        "raining, rainy, "
        "sunny, joke, jokes, poem, poems, song, songs, sing, story, essay, recipe, recipes, president, "
        "prime minister, "
        "capital of, football, soccer, movie, movies, news, stock market, bitcoin, politic*, election*, religio*, "
        "meaning of life, horoscope, lottery, homework, translate, programming, physics, system prompt",
        r"^(?:hi|hello|hey|good (?:morning|afternoon|evening|night)|bye|goodbye|thanks?(?: you)?|ok|okay|cheers|"
        r"please|"
        r"test|testing)(?: there| again| you| very much| a lot)*$",
        r"^(?:are|were|do|did|have) you (?:an? (?:human|robot|ai|bot|person|machine|doctor|surgeon|chatbot|"
        r"model)|alive|"
        r"real|happy|sad|sentient|conscious|like|love|feel|believe|dream|sleep)\b",
        r"\b(?:write|compose|draft) (?:me |us )?(?:an? |some |the )?(?:code|program|script|e-?mail|letter|"
        r"python|article)\b",
        r"\b(?:ignore|forget|disregard) .*\b(?:instructions?|rules?|prompts?)\b",
        r"^(?:what(?:'s| is) |calculate |compute |how much is )?\d[\d\s.]*(?:[-+*/x^]|plus|minus|times|divided by)"
        r"[\d\s.x*/+^()-]+$",
    ),
)


def refusal(question: str) -> str | None:
    """Why the question is out of scope and what can be asked instead, "
    "in two sentences; None for one to be answered."""
    plain = re.sub(r"\s+", " ", question.lower().replace("’", "'")).strip(" .!?")
    for rule in _RULES:
        if any(pattern.search(plain) for pattern in rule.patterns):
            return f"{rule.reason} {CAN_ANSWER}"
    return None
