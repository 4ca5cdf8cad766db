"""The terms of a text, which the lexical index counts and looks up."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from threading import local
from typing import Any

import snowballstemmer

from pydantic_hivemind.limits import MAX_TERM_CHARS

_CACHED_STEMS = 1 << 16
"""Number of words whose stems are cached, about 10 MB; the stemmer takes 2 us a word in C and 35 us in Python."""

_CACHED_TEXTS = 1 << 12
"""Number of chunks whose terms are cached, about 10 MB: reindexing an edited file costs only the changed chunks."""

_MOST_CACHED_CHARACTERS = 1000
"""Maximum length of a cached text: that of a chunk, so that a pasted page is not cached."""

_GRAMMAR = """
    i me my myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers
    herself it its itself they them their theirs themselves
    what which who whom whose when where why how this that these those here there
    am is are was were be been being have has had having do does did doing done
    will would shall should can could might must ought
    don isn aren wasn weren haven hasn hadn doesn didn wouldn shan shouldn couldn mustn
    a an the and but or nor if because as until while although though so than too very
    of at by for with about against between into through during before after above below to from up down in out on
    off over under again further then once
    all any both each few more most other some such no not only own same just also
"""
STOP_WORDS = frozenset(_GRAMMAR.split())
"""English function words, which nearly every text contains. `may`, the month, and `won` are not among them."""

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Scripts that are written without spaces between words: Thai, Lao, Burmese, Khmer, kana, Han."""

_MARKS = "\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0dff"
"""Vowel signs, which are part of a word although they are not letters: Hebrew, Arabic, the scripts of India."""

_ACCENTS = re.compile("[\u0300-\u036f]")
_TERM = re.compile(rf"([{_UNSPACED}]+)|((?:(?![{_UNSPACED}])[^\W_]|[{_MARKS}])+)")
_CLITIC = re.compile(r"(?<=\w)['\u2019](?:s|t|m|re|ve|ll|d)\b")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b")
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})-(0[1-9]|1[0-2])-(\d\d)(?!\d)t?")
_MONTHS = "january february march april may june july august september october november december"


class _Stemmer(local):
    """A stemmer for each thread, because a stemmer works in place."""

    def __init__(self) -> None:
        self.english: Any = snowballstemmer.stemmer("english")  # pyright: ignore[reportUnknownMemberType]


_stemmer = _Stemmer()


def terms(text: str) -> tuple[str, ...]:
    """Return the terms of a text in order, with case, accents and endings folded, and stop words left out.

    Numbers lose their separators and ordinal endings, and `2026-03-04` becomes `2026 march 4`, so that a date is found
    in every notation. Scripts without spaces are split into characters and overlapping pairs of them.
    """
    return _cached_terms(text) if len(text) <= _MOST_CACHED_CHARACTERS else _terms(text)


def _terms(text: str) -> tuple[str, ...]:
    found: list[str] = []
    for run, word in _TERM.findall(_fold(text)):
        if word:
            if word not in STOP_WORDS:
                found.append(_stem(word[:MAX_TERM_CHARS]))
        else:
            found.extend(run)
            found.extend(run[start : start + 2] for start in range(len(run) - 1))
    return tuple(found)


_cached_terms = lru_cache(maxsize=_CACHED_TEXTS)(_terms)


def _fold(text: str) -> str:
    if text.isascii():
        text = text.lower()
    else:
        text = unicodedata.normalize("NFKD", text).casefold()
        text = unicodedata.normalize("NFC", _ACCENTS.sub("", text))
    text = _ISO_DATE.sub(lambda date: f"{date[1]} {_MONTHS.split()[int(date[2]) - 1]} {date[3]} ", text)
    return _ORDINAL.sub("", _THOUSANDS.sub("", _CLITIC.sub("", text)))


@lru_cache(maxsize=_CACHED_STEMS)
def _stem(word: str) -> str:
    if word.isdigit():
        return word.lstrip("0") or "0"
    return _stemmer.english.stemWord(word)
