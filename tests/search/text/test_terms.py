from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pydantic_hivemind.limits import MAX_TERM_CHARS
from pydantic_hivemind.search.text.terms import terms


def same(one: str, other: str) -> bool:
    return bool(terms(one)) and terms(one) == terms(other)


def test_endings_case_and_accents_are_folded():
    assert same("Deployed deploying DEPLOYS", "deploy deploy deploy")
    assert same("Caf\u00e9", "cafe")
    assert same("cafe\u0301", "caf\u00e9")
    assert same("Stra\u00dfe", "STRASSE")
    assert same("\u0130stanbul", "istanbul")
    assert same("\U0001d407\U0001d41e\U0001d425\U0001d425\U0001d428 \uff21\uff22", "hello ab")
    assert same("Ada's plan", "ada plan")
    assert same("Ada\u2019s plan", "Ada's plan")
    assert same("make_deploy", "make deploy")


def test_words_of_grammar_are_left_out_and_may_is_a_month():
    assert terms("What did she do with it, and when? They don't.") == ()
    assert terms("in May") == ("may",)


def test_numbers_and_dates_are_found_however_they_are_written():
    assert same("1,000,000", "1000000")
    assert same("the 8th", "08")
    assert sorted(terms("2023-05-08")) == sorted(terms("8 May, 2023")) == sorted(terms("May 8th, 2023"))
    assert same("log_2023-05-08T10:30", "log 2023 May 8 10 30")


def test_scripts_without_spaces_are_cut_into_characters_and_pairs():
    assert terms("\u6771\u4eac\u90fd") == ("\u6771", "\u4eac", "\u90fd", "\u6771\u4eac", "\u4eac\u90fd")
    assert terms("\u732b") == ("\u732b",)
    assert terms("Tokyo\u6771\u4eac") == (*terms("Tokyo"), "\u6771", "\u4eac", "\u6771\u4eac")


def test_vowel_signs_do_not_cut_words():
    assert len(terms("\u0939\u093f\u0928\u094d\u0926\u0940 \u092d\u093e\u0937\u093e")) == 2
    assert len(terms("\ud55c\uad6d\uc5b4 \uac80\uc0c9")) == 2


@settings(deadline=None)
@given(st.text())
def test_any_text_has_terms_of_bounded_length(text):
    assert all(0 < len(term) <= MAX_TERM_CHARS for term in terms(text))


def test_long_texts_and_lone_surrogates():
    assert len(terms("word " * 50_000)) == 50_000
    assert terms("x" * 100_000) == ("x" * MAX_TERM_CHARS,)
    assert terms("\ud800 deploy \x00") == terms("deploy")
