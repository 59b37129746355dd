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
    ],
)
def test_a_csv_says_of_what_by_its_header_or_is_of_pages_and_claps(text: str, count: Count) -> None:
    assert counts_in(text) == [count]


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
