"""The peers' wire format: everything comes back as it was sent, and whatever else is malformed."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.comparing import SPANS_MAX
from cluster.core.items import SEQ_MAX
from cluster.core.offers import Range
from cluster.core.ranges import lean_push_of, push_of, range_in
from cluster.core.rows import Row
from cluster.core.wire import (
    MESSAGE_BYTES_MAX,
    PAGE_ROWS,
    Alive,
    Block,
    Compare,
    Digest,
    End,
    Have,
    Hello,
    LeanPush,
    MalformedError,
    Mend,
    Message,
    Peers,
    Proof,
    Pull,
    Push,
    Rows,
    Span,
    Status,
    Watching,
    WireRow,
    above,
    decode,
    encode,
    pack,
    pages,
    unpack,
)
from tests.unit.tables import ELSEWHERE, HERE, HOME, POST, THERE, actor, row, rows_of_few_keys

origins = st.binary(min_size=16, max_size=16)
seqs = st.integers(0, SEQ_MAX)
heads = st.dictionaries(origins, seqs, max_size=4)
columns = st.lists(st.integers(-9, SEQ_MAX), max_size=3)
exts = st.dictionaries(st.integers(0, 9), st.binary(max_size=9), max_size=2)
blocks = st.lists(rows_of_few_keys(), max_size=5).map(pack)
spans = st.builds(Span, rows=st.integers(0, SEQ_MAX))
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Hello),
    st.builds(Proof),
    st.builds(Have, heads),
    st.builds(Push, origins, seqs, seqs, blocks),
    st.builds(
        LeanPush,
        origins,
        seqs,
        seqs,
        st.binary(max_size=8),
        gens=columns,
        ns=columns,
        seqs=columns,
        places=columns,
        exts=exts,
    ),
    st.builds(Pull),
    st.builds(Rows, st.integers(0, 9), blocks),
    st.builds(End, st.integers(0, 9), heads),
    st.builds(Peers),
    st.builds(Status),
    st.just(Alive()),
    st.builds(Digest),
    st.builds(Compare, st.lists(spans, max_size=3)),
    st.builds(Mend, blocks, st.lists(spans, max_size=3)),
    st.builds(Watching, st.dictionaries(st.text(max_size=9), seqs, max_size=3)),
)


@given(messages)
def test_what_is_encoded_is_decoded(message: Message) -> None:
    if isinstance(message, Hello | Pull | Status):
        try:
            data = encode(message)
        except OverflowError:  # hypothesis made an integer that no MessagePack holds
            return
        assert decode(data) == message
    else:
        assert decode(encode(message)) == message


@given(st.lists(rows_of_few_keys(), max_size=20), st.binary(max_size=40))
def test_rows_come_back_in_their_order_with_every_byte_of_ext(rows: list[Row], ext: bytes) -> None:
    rows = [msgspec.structs.replace(each, ext=ext) for each in rows]
    assert unpack(pack(rows)) == rows


def test_a_block_names_each_item_and_origin_once() -> None:
    block = pack([row(1), row(2, who=2), row(3, who=3, origin=HERE)])
    assert (block.items, block.origins) == ([HOME], [THERE, HERE])
    assert len(encode(Rows(1, block))) < 250


@given(messages, st.lists(st.one_of(st.integers(0, 99), st.text(), st.lists(st.booleans())), max_size=3))
def test_what_later_versions_append_to_a_message_is_ignored(message: Message, more: list[Any]) -> None:
    try:
        data = encode(message)
    except OverflowError:
        return
    longer = msgspec.msgpack.encode([*msgspec.msgpack.decode(data, strict=False), *more])
    assert decode(longer) == message


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_junk_is_malformed_and_nothing_else(data: bytes) -> None:
    try:
        decode(data)
    except MalformedError:
        return


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(0, 9), inner),
    max_leaves=5,
)


@given(st.integers(-1, 16), st.lists(json_like, max_size=12))
def test_wrongly_typed_messages_are_malformed_and_nothing_else(tag: int, fields: list[Any]) -> None:
    take(msgspec.msgpack.encode([tag, *fields]))


@given(messages, st.integers(0, 11), json_like)
def test_a_message_with_one_wrong_field_is_malformed_and_nothing_else(
    message: Message, place: int, wrong: Any
) -> None:
    try:
        fields = msgspec.msgpack.decode(encode(message))
    except (OverflowError, UnicodeEncodeError):  # hypothesis made what no MessagePack holds
        return
    fields[min(place, len(fields) - 1)] = wrong
    take(msgspec.msgpack.encode(fields))


def take(data: bytes) -> None:
    """What a node does with a frame: it is rows, or malformed."""
    try:
        message = decode(data)
        if isinstance(message, Push | LeanPush):
            range_in(message, 1)
        elif isinstance(message, Rows | Mend):
            unpack(message.block)
    except MalformedError:
        return


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x91" * 100_000,  # arrays in arrays
        b"\x81\xa0" * 100_000,  # maps in maps
        b"\x9b\x0a" + b"\x91" * 10_000,  # deep where this version looks at nothing
        b"\xdd\xff\xff\xff\xff",  # an array of four thousand million elements
        b"\x92\x02\xc6\xff\xff\xff\xff",
        b"\x92\x08\x91\xa2\xff\xfe",  # an address that is not UTF-8
        msgspec.msgpack.encode([3]),
        msgspec.msgpack.encode([99, {}]),  # no message of this version
        msgspec.msgpack.encode({"type": "press"}),
        b"\x00" * (MESSAGE_BYTES_MAX + 1),
    ],
)
def test_deep_giant_and_broken_messages_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(data)


@pytest.mark.parametrize("seq", [-1, SEQ_MAX + 1, (1 << 64) - 1])
def test_no_head_and_no_range_lies_beyond_the_bounds(seq: int) -> None:
    bounds = [Range(THERE, 0, seq, []), Range(THERE, seq, 1, [])]
    pushes = [as_message(each) for as_message in (push_of, lean_push_of) for each in bounds]
    for message in (Have({THERE: seq}), End(1, {THERE: seq}), *pushes):
        with pytest.raises(MalformedError):
            decode(encode(message))


@pytest.mark.parametrize("origin", [b"", b"o" * 15, b"o" * 17])
def test_no_head_and_no_range_is_of_an_illegal_origin(origin: bytes) -> None:
    pushed = Range(origin, 0, 1, [])
    for message in (Have({origin: 1}), End(1, {origin: 1}), push_of(pushed), lean_push_of(pushed)):
        with pytest.raises(MalformedError):
            decode(encode(message))


def own_rows(*, start: int = 0, ext: bytes = b"") -> Range:
    rows = [
        Row(HOME, actor(1), 0, 3, HERE, start + 2),
        Row(POST, b"", 4, 0, HERE, start + 3, ext),
        Row(HOME, actor(2), 1, 1, HERE, start + 9),
    ]
    return Range(HERE, start, start + 9, rows, 7, b"8 bytes.")


@pytest.mark.parametrize("as_message", [push_of, lean_push_of])
@given(start=st.integers(0, SEQ_MAX - 9), ext=st.binary(max_size=40))
def test_a_range_comes_back_as_it_was_pushed(
    as_message: Callable[[Range], Push | LeanPush], start: int, ext: bytes
) -> None:
    pushed = own_rows(start=start, ext=ext)
    message = decode(encode(as_message(pushed)))
    assert isinstance(message, Push | LeanPush)
    assert range_in(message, 7) == pushed


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"places": [0, 1]}, "length"),
        ({"actors": [b""] * 4}, "length"),
        ({"gens": []}, "length"),
        ({"ns": [1]}, "length"),
        ({"seqs": []}, "length"),
        ({"places": [0, 1, 2]}, "item"),
        ({"places": [0, -1, 1]}, "item"),
        ({"items": []}, "item"),
        ({"places": [0] * (PAGE_ROWS + 1)}, "rows in one push"),
    ],
)
def test_columns_that_are_no_rows_are_malformed(change: dict[str, list[object]], problem: str) -> None:
    push = msgspec.structs.replace(lean_push_of(own_rows()), **change)
    with pytest.raises(MalformedError, match=problem):
        range_in(push, 1)


@pytest.mark.parametrize(("item", "origin"), [(1, 0), (0, 1), (-1, 0), (0, -1), (1 << 40, 0)])
def test_a_row_that_names_what_its_block_has_not_is_malformed(item: int, origin: int) -> None:
    block = Block([HOME], [THERE], [WireRow(item, actor(1), 0, 1, origin, 1)])
    with pytest.raises(MalformedError):
        unpack(block)


def test_a_block_holds_a_thousand_rows_at_most() -> None:
    rows = [row(1, who=number) for number in range(PAGE_ROWS + 1)]
    assert len(unpack(pack(rows[:-1]))) == PAGE_ROWS
    with pytest.raises(MalformedError):
        unpack(pack(rows))


def test_the_largest_legal_page_fits_into_a_message() -> None:
    rows = [
        Row(f"tap:{number:04}" + "x" * 196, actor(number), 0, 1, number.to_bytes(16, "big"), SEQ_MAX, b"e" * 256)
        for number in range(PAGE_ROWS)
    ]
    pushed = Range(HERE, SEQ_MAX - 1, SEQ_MAX, rows, stamp=b"8 bytes.")
    for message in (Rows(1, pack(rows)), push_of(pushed), lean_push_of(pushed)):
        assert decode(encode(message)) == message


def test_the_most_spans_of_one_message_fit_into_it() -> None:
    item = "tap:" + "x" * 200
    compare = Compare([Span(item, b"a" * 17, b"b" * 17, SEQ_MAX, b"d" * 16) for _ in range(SPANS_MAX)])
    assert decode(encode(compare)) == compare


@pytest.mark.parametrize(
    ("as_message", "rows", "bytes_each"),
    [(push_of, 1, 89), (push_of, 10, 33), (lean_push_of, 1, 70), (lean_push_of, 10, 27)],
)
def test_a_push_takes_so_many_bytes_a_press_and_no_more(
    as_message: Callable[[Range], Push | LeanPush], rows: int, bytes_each: int
) -> None:
    """The figures of docs/decisions/0004-the-peers-wire.md and 0020-pushes-wait-less.md."""
    own = [row(3, seq=number, who=number, origin=HERE) for number in range(1, rows + 1)]
    data = encode(as_message(Range(HERE, 0, rows, own, stamp=b"8 bytes.")))
    assert -(-len(data) // rows) == bytes_each


def test_pages_are_cut_at_a_thousand_rows() -> None:
    rows = [row(1)] * 2500
    assert [len(page) for page in pages(rows)] == [1000, 1000, 500]
    assert list(pages([])) == []


def test_above_is_what_the_other_has_not() -> None:
    assert above({HERE: 3, THERE: 4, ELSEWHERE: 1}, {HERE: 3, THERE: 2}) == {THERE: 4, ELSEWHERE: 1}
