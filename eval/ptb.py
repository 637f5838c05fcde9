"""Penn Treebank tokens as the public caption scorer (pycocoevalcap) counts them, without its Java.

The scorer runs Stanford's PTBTokenizer 3.4.1 with ``-preserveLines -lowerCase`` and drops punctuation. That
lexer takes the longest match of its rules at each place, the first rule where two are equally long; so does
this one, piece by piece between spaces, with rules written anew from its observed behaviour.
"""

from __future__ import annotations

import functools
import re
import unicodedata

# Raised, lowered, circled and fractional digits are word characters to Python, symbols to the lexer.
_LETTER = r"(?:[^\W\d_\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u209f\u2150-\u218f\u2460-\u24ff]|[\u0300-\u036f\u00ad])"
_ALNUM = rf"(?:{_LETTER}|\d)"
_APOS = r"(?:['\u0092\u2019]|&apos;)"
_APOSLIKE = rf"(?:{_APOS}|[`\u0091\u2018\u201b])"
_HYPHEN = r"[-_\u058a\u2010\u2011]"
_WORD = rf"{_LETTER}{_ALNUM}*(?:[.!?]{_LETTER}{_ALNUM}*)*"
_CLITIC = rf"{_APOS}(?:[msd]|re|ve|ll)"
_NUM = r"(?:\d*(?:[.:,\u00ad\u066b\u066c]\d+)+|\d+)"
_NUMBER = rf"[-+]?{_NUM}"
_ELIDED = rf"(?:[dol]{_APOSLIKE}[a-z0-9])?"
_ACRONYM = r"[a-z](?:\.[a-z])+"

# The abbreviations that keep their full stop wherever they stand, and those that do before a number only.
_ABBREVIATIONS = """
    (?:ed|ph)\\.d (?:canada|sino|korean|eu|japan|non)-u\\.s u\\.s\\.-u\\.k u\\.s\\.-u\\.s\\.s\\.r
    adj adm adv al ala alex apr ariz assn assoc asst attys? aug ave bancorp bhd bldg blvd brig bros calif capt cf cie
    cmdr comdr co col colo conn corp cos cpl ct dak dec dept det drs? elec ens esq est etc ext feb fla fri ft ga gen
    govs? hon inc ind insp intl invt jan jos jr jul jun kans? ky lieut lt ltd maj mar md messrs mfg mich minn mlle mme
    mo mon mont mr mrs ms msgr mt mtg natl neb nev nov oct okla penn pfc ph plc ppte ppty pres profs? ptes? ptys? pvt
    rd reps? rev rt sens? sept? seq sfc sgt spc sq sr ste? supts? sys tel tenn thu thurs treas tues? univ va vs vt wed
    wisc? wm wyo
"""
_BEFORE_NUMBERS = "art ca fig figs no nos op pp prop"
_EXTENSIONS = """
    bat bmp c cgi class cpp dll docx? exe gif gz h html? jar java jpe?g mov mp3 pdf php pl png ppt ps py sql tar txt wav
    x xml zip
"""
# Words that open a sentence: before one of them a single letter gives up its full stop.
_STARTERS = """
    A About According Additionally After An As At But Earlier He Here However If In It Last Many More Now Once One Other
    Our Since So Some Such That The Their Then There These They This We What When While Yet You
"""


def _any(words: str) -> str:
    return f"(?:{'|'.join(words.split())})"


# Rules in order of precedence. Group 1 is the token; what else a rule matches is context, counted in its length.
_RULES = tuple(
    re.compile(rule, re.IGNORECASE)
    for rule in (
        rf"(can(?=not)|(?:gon|wan)(?=na)|got(?=ta)|(?:gim|lem)(?=me)|{_APOS}t(?=was|is))(?:not|na|ta|me|was|is)",
        r"(</?[a-z][^<>]*>|<[!?][^<>]*>)",
        r"(&(?:amp|lt|gt|quot|nbsp|#\d+);)",
        rf"({_WORD}){_CLITIC}",
        rf"([a-z\u00ad]*[a-mo-z]\u00ad*)n{_APOSLIKE}t",
        rf"({_WORD})",
        rf"({_APOS}n{_APOS}|{_APOS}n(?![a-z])|[ldj]{_APOS}|(?:dunkin|somethin|ol){_APOS}|{_APOS}(?:em|till?|cause|[2-9]0s))",
        rf"({_APOS}\d\d)\s",
        rf"((?-i:[A-HJ-XZn]){_APOSLIKE}{_LETTER}{{2,}}|{_LETTER}+[aeiouy]{_APOSLIKE}(?-i:[aeiouA-Z]){_LETTER}*)",
        r"(c'mon|cap'n|cont'd\.?|e'er|ev'ry|li'l|nat'l|nor'easter|s'mores|o'o)",
        rf"(y{_APOS}){_LETTER}",
        r"(https?://[^\s<>|\"()]+[^\s<>|\"().!?,{}-])",
        r"((?:www\.(?:[^\s<>|\"().!?,{}]+\.)+[a-z]{2,4}|(?:[^\s<>|\"().!?,;{}`'_$:/=\[\]-]*[^\W\d][^\s<>|\"().!?,;{}`'_$:/=\[\]-]*\.)+(?:com|net|org|edu))"
        r"(?:/[^\s<>|\"()]+[^\s<>|\"().!?,{}-])?)",
        r"([a-z0-9][^\s<>|\"()]*@(?:[^\s<>|\"().]+\.)*[^\s<>|\"().]+)",
        rf"(@[a-z_][a-z0-9_]*|#{_LETTER}+)",
        rf"({_CLITIC}|n{_APOSLIKE}t)[^a-z]",
        r"(\d{1,2}[-/]\d{1,2}[-/]\d{2,4})",
        rf"({_NUMBER})",
        r"((?:\d{1,4}[- \xa0])?\d{1,4}(?:\\?/|\u2044)\d{1,4})",
        r"(-(?:[lr][rcs]b)-|c\.d\.s|pro-|anti-|s&p-500|s&ls|c\+\+|[cf]#)",
        r"((?:yahoo|jeopardy|e)!)",
        rf"({_ELIDED}{_ALNUM}+(?:{_HYPHEN}{_ELIDED}{_ALNUM}+)*)",
        r"((?-i:[A-Z])+(?:(?:[+&]|&amp;)(?-i:[A-Z])+)+)",
        r"([a-z0-9]+(?:-[a-z]+){0,2}(?:\\?/[a-z0-9]+(?:-[a-z]+){0,2}){1,2})",
        rf"({_ALNUM}(?:{_ALNUM}|[.,])*(?:-(?:{_ALNUM}+|{_ACRONYM}\.))+)",
        rf"({_any(_ABBREVIATIONS)}\.|{_ACRONYM}\.|[a-z]\.)",
        rf"({_any(_BEFORE_NUMBERS)}\.)\xa0?\d",
        rf"({_ACRONYM})\s",
        rf"({_ALNUM}+(?:\.{_ALNUM}+)*\.{_any(_EXTENSIONS)})[\s.,?!]",
        r"([<>]?[:;=][-o*']?[()dp@|\[\]o])(?![a-z0-9])",
        r"([\^x=~<>]\.\[\^x=~<>]|[-^x=~<>']_[-^x=~<>']|\([-^x=~<>'][_.]?[-^x=~<>']\)|\([\^x=~<>']-[\^x=~<>'`]\))",
        r"((?:\(\d{2,3}\)[ \xa0]?|(?:\+\+?)?(?:\d{2,4}[- \xa0])?\d{2,4}[- \xa0])\d{3,4}[- \xa0]?\d{3,5})",
        r"((?:(?:\+\+?)?\d{2,4}\.)?\d{2,4}\.\d{3,4}\.\d{3,5})",
        r"((?-i:[A-Z])*\$)",
        r"(-{2,}|\*+|(?:\\\*){1,3}|@+|#+|_+|<<|>>|[?!]+|\.{3,})",
    )
)

_WRITTEN = {
    **dict(zip("()[]{}", ("-lrb-", "-rrb-", "-lsb-", "-rsb-", "-lcb-", "-rcb-"))),
    **{
        "&amp;": "&",
        "&lt;": "<",
        "&gt;": ">",
        "&quot;": "",
        "&nbsp;": "",
        "\u20ac": "$",
        "\u00a3": "#",
        "\u00a2": "cents",
    },
    **{"\u00bc": "1/4", "\u00bd": "1/2", "\u00be": "3/4", "\u2153": "1/3", "\u2154": "2/3"},
    **{"\u215b": "1/8", "\u215c": "3/8", "\u215d": "5/8", "\u215e": "7/8"},
    **dict.fromkeys((*"'`\".?!,:-;", "--", "---", "----", "...", "\u2026", "\u2013", "\u2014", "\u2010", "\u2011"), ""),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2039\u203a\xab\xbb", ""),
}

# A space that can stand inside of one token or decides on one: between numbers, after abbreviations before numbers,
# in tags. These patterns begin with a literal, which makes searching fast.
_AFTER_ABBREVIATION = "|".join(rf"(?<={word}\. )(?<![^\W_]{word}\. )" for word in _BEFORE_NUMBERS.split())
_NUMBER_SPACE = re.compile(rf" (?=\d)(?:(?<=[\d)] )|{_AFTER_ABBREVIATION})", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\n\r\f\v\u2000-\u200a\u3000]+")
_TAG = re.compile(r"<[^<>]* [^<>]*>")
_LETTER_STOP = re.compile(
    rf"\.(?<=[A-Za-z]\.)(?<![^\W\d_][A-Za-z]\.)(?<!\.[A-Za-z]\.)(?=\s+(?-i:[A-Z]))(?=\s+{_any(_STARTERS)}(?:\s|$))",
    re.IGNORECASE,
)
_CLITICS = re.compile(rf"{_CLITIC}|n{_APOSLIKE}t", re.IGNORECASE)
_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201b": "'", "\u0091": "'", "\u0092": "'"})


# One set of captions is read by several metrics.
@functools.lru_cache(maxsize=2**16)
def tokenize(text: str) -> str:
    """Tokens of one caption, parted by single spaces; lower case, punctuation dropped, "" when nothing is left.

    Each caption is read on its own, as one line (the Java scorer's reading of a last "a." depends on how the
    next caption begins). Source: PTBTokenizer, as in Chen et al., "Microsoft COCO Captions", arXiv 1504.00325.
    """
    joined = _TAG.sub(_joined, _NUMBER_SPACE.sub("\xa0", _LETTER_STOP.sub("", text)))
    pieces = _SPACES.split(joined) if "\xa0" in joined else joined.split()
    return " ".join(filter(None, map(_piece, pieces)))


def _joined(tag: re.Match[str]) -> str:
    return tag[0].replace(" ", "\xa0")


@functools.lru_cache(maxsize=2**16)
def _piece(piece: str) -> str:
    """Tokens of what stands between two spaces; texts repeat their words, so each is lexed once."""
    tokens, at = [], 0
    # The lexer sees what follows a word; at the end of a piece that is always a space.
    padded = piece + " "
    while at < len(piece):
        token, length = _longest(padded, at)
        at += length
        tokens.append(token)
    return " ".join(filter(None, tokens))


def _longest(text: str, at: int) -> tuple[str, int]:
    """The token at that place, "" when it is dropped, and how many characters it takes."""
    best, reach = "", at
    for rule in _RULES:
        found = rule.match(text, at)
        if found and found.end() > reach:
            best, reach = found[1], found.end()
    return _written(best or text[at]), len(best) or 1


def _written(token: str) -> str:
    """A token as the scorer writes it, "" for what it drops."""
    if token in _WRITTEN or re.fullmatch(r"\.{3,}", token):
        return _WRITTEN.get(token, "")
    # What the lexer has no rule for it deletes: control characters, and all beyond the 16 bit plane.
    if len(token) == 1 and (unicodedata.category(token)[0] in "CZM" or token > "\uffff"):
        return ""
    if _CLITICS.fullmatch(token):
        token = token.translate(_APOSTROPHES).replace("&apos;", "'")
    token = token.replace("\u00ad", "").replace("&amp;", "&")
    return re.sub(r"[()]", lambda bracket: _WRITTEN[bracket[0]], token.lower())
