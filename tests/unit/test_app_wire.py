"""The wire: whatever is sent, a message or the client's mistake comes out; whole frames go back."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import wire
from app.refusals import REFUSALS, error
from tests.unit.outlets import unframe

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
FIELDS = st.sampled_from(["type", "id", "item", "items", "gen", "n", "tab", "token"])
TYPES = st.sampled_from(["hello", "watch", "unwatch", "press", "ping", "pong"])


def is_message_or_mistake(text: str) -> None:
    try:
        message = wire.decode(text)
    except wire.MessageError as wrong:
        assert str(wrong)
    else:
        assert isinstance(message, wire.ClientMessage)


@given(st.text())
def test_any_text_is_a_message_or_a_mistake(text: str) -> None:
    is_message_or_mistake(text)


@given(st.dictionaries(FIELDS, JSON), TYPES)
def test_any_object_is_a_message_or_a_mistake(fields: dict[str, object], kind: str) -> None:
    is_message_or_mistake(msgspec.json.encode(fields | {"type": kind}).decode())


@given(st.binary())
def test_any_body_is_a_press_or_a_mistake(body: bytes) -> None:
    try:
        assert isinstance(wire.decode_press_body(body), wire.PressBody)
    except wire.MessageError as wrong:
        assert str(wrong)


def test_an_empty_body_is_a_press_without_a_target() -> None:
    assert wire.decode_press_body(b"") == wire.PressBody()


@pytest.mark.parametrize("bad", ['"id":1e3', '"id":true', '"id":9007199254740993', '"id":[]'])
def test_an_id_that_cannot_be_read_is_not_repeated(bad: str) -> None:
    with pytest.raises(wire.MessageError) as raised:
        wire.decode(f'{{"type":"press","item":"tap:a",{bad}}}')
    assert raised.value.id is None


@pytest.mark.parametrize("length", [0, 1, 60, 125, 126, 1000, 65535, 65536, 70000])
def test_a_frame_of_any_length_can_be_read_back(length: int) -> None:
    message = wire.Error(code="x", message="y" * length)
    both = wire.frame(message) + wire.frame(wire.Pong())
    assert [each["type"] for each in unframe(both)] == ["error", "pong"]


def test_what_is_not_set_is_not_sent() -> None:
    assert wire.encode(error("bad_item")).startswith(b'{"type":"error","code":"bad_item","message":')
    assert b"retry_after" not in wire.encode(error("bad_item"))
    assert b"null" not in wire.encode(wire.Pressed(item="tap:a", gen=0, n=1, count=1, copies=0, wanted=0))


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_every_code_says_what_is_wrong(code: str) -> None:
    assert error(code).message.endswith(".")
    assert (REFUSALS[code].status in (429, 503)) == (REFUSALS[code].retry_after_s is not None)
