"""Counts in files that others have made."""

import pytest

from cli.dumps import Count, DumpError, counts_in

OWN = '{"item":"once:a","gen":2,"count":3}\n{"item":"clap:b/c","gen":0,"count":120}\n'
SCAN = """{"Items": [{"url": {"S": "blog.example/a"}, "claps": {"N": "12"}, "sourceIp": {"S": "203.0.113.7"}},
           {"claps": {"N": "7"}, "url": {"S": "blog.example/b"}}], "Count": 2, "ScannedCount": 2}"""
EXPORT = """{"Item":{"url":{"S":"blog.example/a"},"claps":{"N":"12"}}}
{"Item":{"url":{"S":"b.example"},"claps":{"N":"0"}}}"""


def test_an_own_export_is_read_back() -> None:
    assert counts_in(OWN) == [Count(3, item="once:a"), Count(120, item="clap:b/c")]


def test_an_item_of_a_later_versions_kind_keeps_nothing_out() -> None:
    """Nodes keep such rows, and count 0 of them."""
    assert counts_in(OWN + '{"item":"vote:a","gen":0,"count":0}')[2] == Count(0, item="vote:a")
    with pytest.raises(DumpError, match="'vote:a' is no item"):
        counts_in(OWN + '{"item":"vote:a","gen":0,"count":1}')


@pytest.mark.parametrize("text", [SCAN, EXPORT])
def test_applause_buttons_table_is_read_as_dynamodb_writes_it(text: str) -> None:
    assert counts_in(text)[0] == Count(12, page="blog.example/a", kind="clap")
    assert len(counts_in(text)) == 2


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("item,gen,count\r\nonce:a,0,3\r\n", Count(3, item="once:a")),
        ("url,likes\nhttps://b.example/x,4\n", Count(4, page="https://b.example/x", kind="once")),
        ("\ufeffPage , Presses\nb.example,5", Count(5, page="b.example", kind="tap")),
        ("b.example/x,6", Count(6, page="b.example/x", kind="clap")),
        ('"b.example/x, y",7', Count(7, page="b.example/x, y", kind="clap")),
        ("b.example/x\u2028y,8", Count(8, page="b.example/x\u2028y", kind="clap")),
        ("once:blog/post-42,30", Count(30, item="once:blog/post-42")),
        ("page,claps\ntap:red,4", Count(4, item="tap:red")),
        ("count,item\n5,clap:talk", Count(5, item="clap:talk")),
        ("tap.example/x,6", Count(6, page="tap.example/x")),
        ("https://tap:80/x,6", Count(6, page="https://tap:80/x")),
    ],
)
def test_a_csv_says_of_what_by_its_header_or_is_of_pages_and_claps(text: str, count: Count) -> None:
    assert counts_in(text) == [count]


def test_each_row_says_for_itself_whether_it_is_of_an_item_or_of_a_page() -> None:
    assert counts_in("once:blog/post-42,30\nblog.example/a,12\ntap:red,4\n") == [
        Count(30, item="once:blog/post-42"),
        Count(12, page="blog.example/a"),
        Count(4, item="tap:red"),
    ]


@pytest.mark.parametrize(
    "text",
    ["a.example,1\n\ntap://b.example,2", "a.example,1\n\nonce:,2", "a.example,1\n\nTap:red,2",
     "item,count\n\nvote:a,2", "item,count\n\nclap:a b,2"],
)  # fmt: skip
def test_what_begins_like_an_item_and_is_none_is_a_mistake_of_its_row(text: str) -> None:
    with pytest.raises(DumpError, match=r"row 3: '.*' is no item"):
        counts_in(text)


@pytest.mark.parametrize("text", ["once:a", "once:a;30", "item;count\nonce:a;30", "page,claps\nb.example", ",3"])
def test_a_row_without_columns_is_answered_with_what_they_are(text: str) -> None:
    expected = r"row [12] does not say of what, or how many: .*commas.*item,count.*page,claps"
    with pytest.raises(DumpError, match=expected):
        counts_in(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no counts"),
        ("page,claps\n", "no counts"),
        ('{"item":"once:a","count":3}\n{"item":', "line 2"),
        ('{"item":"once:a"}', "record 1"),
        ("a.example,1\nb.example,many", "row 2"),
        ("a.example,-1", "row 1"),
        ("[1, 2]", "record 1"),
        ("a.example,9999999999999", "row 1"),
        ('{"Items": 5}', "no list"),
        (f'"{"x" * 200_000}",1', "no CSV"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_nothing_is_used(text: str, why: str) -> None:
    with pytest.raises(DumpError, match=why):
        counts_in(text)
