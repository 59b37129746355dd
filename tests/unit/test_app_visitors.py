"""Tokens and actors: who signs, who verifies, and that no key enters an actor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.visitors import TokenError, Tokens, actor_of, new_visitor, visitor_of

OLD, NEW = b"old key", b"new key"


@given(st.binary(min_size=10, max_size=10))
def test_a_token_names_its_visitor(visitor: bytes) -> None:
    tokens = Tokens([NEW])
    assert tokens.verify(tokens.sign(visitor)) == visitor


def test_the_first_key_signs_and_every_key_verifies() -> None:
    visitor = new_visitor()
    rotating = Tokens([NEW, OLD])
    assert rotating.verify(Tokens([OLD]).sign(visitor)) == visitor
    assert Tokens([NEW]).verify(rotating.sign(visitor)) == visitor
    with pytest.raises(TokenError):
        Tokens([OLD]).verify(rotating.sign(visitor))


@given(st.text(max_size=80))
def test_what_was_not_signed_here_is_no_token(text: str) -> None:
    with pytest.raises(TokenError):
        Tokens([NEW]).verify(text)


def test_a_token_that_was_changed_is_no_token() -> None:
    token = Tokens([NEW]).sign(bytes(10))
    for place in range(len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        # The last character of 43 has two bits to spare.
        if place < len(token) - 1:
            with pytest.raises(TokenError):
                Tokens([NEW]).verify(changed)


def test_a_signed_name_of_another_length_is_no_visitor() -> None:
    with pytest.raises(TokenError):
        Tokens([NEW]).verify(Tokens([NEW]).sign(bytes(11)))


def test_a_visitors_tabs_are_one_actor_for_once_and_clap_and_several_for_tap() -> None:
    visitor = new_visitor()
    assert actor_of("once:a", visitor, "t1") == actor_of("clap:a", visitor, "t2") == visitor + bytes(6)
    assert actor_of("tap:a", visitor, "t1") != actor_of("tap:a", visitor, "t2")
    assert visitor_of(actor_of("tap:a", visitor, "t1")) == visitor
    assert len(actor_of("tap:a", visitor, "")) == 16


def test_the_actor_of_a_tab_never_changes() -> None:
    assert actor_of("tap:a", b"0123456789", "k3j9").hex() == "30313233343536373839" + "7d78fc8972e6"
