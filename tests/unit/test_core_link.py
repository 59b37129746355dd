"""A link's handshake: who is there, proof of the secret, versions, and signs of life."""

import msgspec
import pytest

from cluster.core.link import Identity, Link, LinkError
from cluster.core.wire import HANDSHAKE_BYTES_MAX, Alive, Have, Hello, Proof, Pull, Status, decode, encode

KEY, OLD_KEY, WRONG_KEY = b"key" * 11, b"old key" * 5, b"wrong key" * 4
ANN = Identity(name="ann", ledger=b"A" * 16, origin=b"a" * 16, advertise="ann:9000", cluster_port=9000)
BEN = Identity(name="ben", ledger=b"B" * 16, origin=b"b" * 16)


def dialer(identity: Identity = ANN, *keys: bytes) -> Link:
    return Link(identity, is_dialer=True, nonce=b"d" * 32, keys=keys or (KEY,), now=0.0)


def listener(identity: Identity = BEN, *keys: bytes) -> Link:
    return Link(identity, is_dialer=False, nonce=b"l" * 32, keys=keys or (KEY,), now=0.0)


def taken(link: Link) -> list[bytes]:
    frames, link.outbox[:] = list(link.outbox), []
    return frames


def talk(one: Link, other: Link) -> None:
    """Carry frames both ways until there are none."""
    while frames := [(one, frame) for frame in taken(other)] + [(other, frame) for frame in taken(one)]:
        for receiver, frame in frames:
            receiver.receive(frame, 0.0)


def opened() -> tuple[Link, Link]:
    one, other = dialer(), listener()
    talk(one, other)
    return one, other


def hello_of(link: Link, **changes: object) -> bytes:
    greeting = decode(taken(link)[0])
    assert isinstance(greeting, Hello)
    return encode(msgspec.structs.replace(greeting, **changes))


def refused(link: Link, data: bytes, code: str) -> str:
    with pytest.raises(LinkError) as error:
        link.receive(data, 0.0)
    assert error.value.code == code
    return str(error.value)


def test_two_nodes_with_one_secret_open_the_link_and_know_each_other() -> None:
    one, other = opened()
    assert one.is_open
    assert other.is_open
    assert (one.peer.name, other.peer.name) == ("ben", "ann")  # type: ignore[union-attr]
    assert other.peer.advertise == "ann:9000"  # type: ignore[union-attr]


def test_a_wrong_secret_is_refused_by_both_with_what_to_do() -> None:
    for one, other in ((dialer(), listener(BEN, WRONG_KEY)), (listener(), dialer(ANN, WRONG_KEY))):
        one.receive(taken(other)[0], 0.0)
        other.receive(taken(one)[0], 0.0)
        assert "LIKE_SECRET" in refused(one, taken(other)[-1], "wrong_secret")
        assert not one.is_open


@pytest.mark.parametrize("theirs", [(KEY,), (OLD_KEY, KEY), (KEY, OLD_KEY)])
def test_while_a_secret_is_rotated_the_first_key_proves_and_all_verify(theirs: tuple[bytes, ...]) -> None:
    one, other = dialer(ANN, KEY, OLD_KEY), listener(BEN, *theirs)
    talk(one, other)
    assert one.is_open
    assert other.is_open


def test_a_node_that_has_only_the_old_secret_cannot_verify_the_new_one() -> None:
    one, other = dialer(ANN, KEY, OLD_KEY), listener(BEN, OLD_KEY)
    other.receive(taken(one)[0], 0.0)
    one.receive(taken(other)[0], 0.0)
    refused(other, taken(one)[-1], "wrong_secret")


def test_a_proof_cannot_be_sent_back_to_its_maker() -> None:
    victim = dialer()
    victim.receive(hello_of(listener()), 0.0)
    proof = taken(victim)[-1]
    refused(victim, proof, "wrong_secret")


def test_a_proof_of_another_handshake_is_worth_nothing() -> None:
    victim, friend = dialer(), listener()
    friend.receive(taken(victim)[0], 0.0)
    proof = taken(friend)[-1]
    again = Link(ANN, is_dialer=True, nonce=b"n" * 32, keys=(KEY,), now=0.0)
    again.receive(hello_of(listener()), 0.0)
    refused(again, proof, "wrong_secret")


def test_a_hello_changed_on_its_way_is_refused() -> None:
    one, other = dialer(), listener()
    one.receive(hello_of(other, advertise="evil:9000"), 0.0)
    other.receive(taken(one)[0], 0.0)
    refused(one, taken(other)[-1], "wrong_secret")


def test_a_node_that_meets_itself_says_so() -> None:
    assert "itself" in refused(dialer(), taken(listener(ANN))[0], "self")


@pytest.mark.parametrize(("low", "high"), [(2, 9), (0, 0)])
def test_versions_without_overlap_name_both_ranges(low: int, high: int) -> None:
    said = refused(dialer(), hello_of(listener(), protocol_min=low, protocol_max=high), "version")
    assert f"{low} to {high}" in said
    assert "upgrade" in said


def test_versions_that_overlap_are_enough() -> None:
    link = dialer()
    link.receive(hello_of(listener(), protocol_min=0, protocol_max=9), 0.0)
    assert link.phase == "proving"


@pytest.mark.parametrize(
    "change",
    [{"origin": b"b" * 15}, {"ledger": b"B" * 17}, {"nonce": b""}, {"nonce": b"l" * 31}],
)
def test_a_hello_with_lengths_that_are_none_is_malformed(change: dict[str, bytes]) -> None:
    refused(dialer(), hello_of(listener(), **change), "malformed")


@pytest.mark.parametrize("data", [b"", b"junk", encode(Alive()), encode(Have({})), encode(Pull(1))])
def test_nothing_but_hello_and_proof_is_read_before_the_secret_is_proven(data: bytes) -> None:
    greeting, proving = dialer(), dialer()
    proving.receive(hello_of(listener()), 0.0)
    refused(greeting, data, "malformed")
    refused(proving, data, "malformed")


def test_a_second_hello_is_malformed() -> None:
    link = dialer()
    link.receive(hello_of(listener()), 0.0)
    refused(link, hello_of(listener()), "malformed")


def test_a_proof_before_hello_is_malformed() -> None:
    refused(dialer(), encode(Proof(b"x" * 32)), "malformed")


def test_two_kibibytes_are_read_before_the_proof_and_no_byte_more() -> None:
    frame = hello_of(listener())
    padding = HANDSHAKE_BYTES_MAX - len(frame)
    assert decode(hello_of(listener(), name="n" * 100))
    longest = hello_of(listener(), version="v" * (padding - 2))
    assert len(longest) == HANDSHAKE_BYTES_MAX
    dialer().receive(longest, 0.0)
    refused(dialer(), hello_of(listener(), version="v" * (padding - 1)), "malformed")


def test_a_handshake_message_on_an_open_link_is_malformed() -> None:
    one, _ = opened()
    refused(one, hello_of(listener()), "malformed")


def test_junk_on_an_open_link_is_malformed() -> None:
    one, _ = opened()
    refused(one, b"junk", "malformed")


def test_five_seconds_without_proof_end_the_link() -> None:
    for link in (dialer(), listener()):
        link.tick(4.9)
        with pytest.raises(LinkError) as error:
            link.tick(5.0)
        assert error.value.code == "timeout"


def test_a_hello_alone_buys_no_time() -> None:
    link = dialer()
    link.receive(hello_of(listener()), 4.0)
    with pytest.raises(LinkError):
        link.tick(5.0)


def test_an_open_link_says_alive_every_second() -> None:
    one, _ = opened()
    said = []
    for tenth in range(21):
        one.tick(tenth / 10)
        said += taken(one)
    assert said == [encode(Alive())] * 2


def test_five_silent_seconds_end_an_open_link_and_any_message_is_a_sign_of_life() -> None:
    one, _ = opened()
    assert one.receive(encode(Alive()), 3.0) is None
    assert one.receive(encode(Status("ready", 1)), 4.0) == Status("ready", 1)
    one.tick(8.9)
    with pytest.raises(LinkError) as error:
        one.tick(9.0)
    assert error.value.code == "timeout"
