"""The page and the form behind its button, as a browser without JavaScript meets them."""

import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import aiohttp_jinja2
import jinja2
import pytest
from aiohttp import ClientResponse

from app import keys, main
from app.refusals import REFUSALS
from app.texts import LANGUAGES
from app.visitors import Tokens, actor_of
from tests.unit.sites import Site
from tests.unit.test_app_live_refusals import BAD_ITEMS

VISITOR = b"0123456789"
MakeSite = Callable[..., Awaitable[Site]]
pytestmark = pytest.mark.usefixtures("no_traceback")


async def view(site: Site, path: str = "/") -> dict[str, Any]:
    """What the template was given."""
    async with site.client.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return dict(await answer.json(content_type="text/html"))


async def submit(site: Site, shown: dict[str, Any], headers: dict[str, str] | None = None) -> ClientResponse:
    return await site.client.post(
        shown["press_url"], data=shown["form"], headers=headers or {}, allow_redirects=False
    )


def tokens(site: Site) -> Tokens:
    return site.client.app[keys.DESK].tokens


def come_back_as(site: Site, visitor: bytes) -> None:
    site.client.session.cookie_jar.update_cookies({"like_token": tokens(site).sign(visitor)})


async def test_the_home_page_shows_the_tap_button_and_two_examples(site: Site) -> None:
    shown = await view(site)
    assert (shown["item"], shown["kind"], shown["count"], shown["node"]) == ("tap:home", "tap", 0, "node1")
    assert [example["item"] for example in shown["examples"]] == ["once:article", "clap:talk"]
    assert shown["notice"] is None


async def test_any_item_has_its_page(site: Site) -> None:
    site.engine.put("once:blog/post-42", VISITOR + bytes(6), 1)
    shown = await view(site, f"/items/{quote('once:blog/post-42', safe='')}")
    assert (shown["item"], shown["count"], shown["examples"]) == ("once:blog/post-42", 1, [])


async def test_pages_are_the_visitors_own_and_let_the_browser_load_nothing_foreign(site: Site) -> None:
    async with site.client.get("/") as answer:
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert answer.headers["Vary"] == "Cookie, Accept-Language"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "Server" not in answer.headers


PAGES = (
    "/", "/items/once%3Aa", "/embed/once%3Aa", "/event/tap%3Aa", "/overlay/tap%3Aa", "/privacy", "/cluster",
    "/admin", "/nowhere", "/items/nonsense",
)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_runs_or_loads_what_is_not_a_file_of_ours(make_site: MakeSite, path: str) -> None:
    site = await make_site(LIKE_ADMIN_TOKEN="a" * 16)
    aiohttp_jinja2.get_env(site.client.app).loader = jinja2.FileSystemLoader(main.TEMPLATES)
    async with site.client.get(path) as answer:
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
        text = await answer.text()
    assert policy["default-src"] == policy["base-uri"] == policy["trusted-types"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    for kind in ("script-src", "style-src", "connect-src", "form-action"):
        assert policy[kind] == "'self'"
    # But for the code that is shown, for pages of others.
    own = re.sub(r"<code.*?</code>", "", text, flags=re.DOTALL)
    assert not re.search(r'<style|\sstyle=|\son[a-z]+=|<script(?![^>]* src=| type="application/json")', own)


async def test_looking_at_a_page_sets_no_cookie(site: Site) -> None:
    async with site.client.get("/") as answer:
        assert "Set-Cookie" not in answer.headers


async def test_a_press_counts_sets_the_cookie_and_leads_back_to_its_page(site: Site) -> None:
    shown = await view(site)
    answer = await submit(site, shown)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie = answer.cookies["like_token"]
    assert (cookie["samesite"], cookie["path"], cookie["secure"]) == ("Lax", "/", "")
    assert cookie["max-age"] == str(400 * 24 * 3600)
    assert not cookie["httponly"]
    assert site.engine.presses[0].actor[:10] == tokens(site).verify(cookie.value)
    assert (await view(site))["count"] == 1


async def test_an_items_own_form_leads_back_to_the_items_page(site: Site) -> None:
    path = f"/items/{quote('tap:a/b', safe='')}"
    answer = await submit(site, await view(site, path))
    assert answer.headers["Location"] == path


@pytest.mark.parametrize("item", ["tap:home", "once:article", "clap:talk"])
async def test_submitting_a_form_twice_is_one_press(site: Site, item: str) -> None:
    page = await view(site)
    shown = page if item == "tap:home" else next(each for each in page["examples"] if each["item"] == item)
    # The second submit of a double click carries no cookie yet; a later one does.
    for _ in range(2):
        assert (await submit(site, shown)).status == 303
        site.client.session.cookie_jar.clear()
    come_back_as(site, site.engine.presses[0].actor[:10])
    await submit(site, shown)
    assert site.engine.item(item).count == 1


async def test_a_form_of_a_page_without_a_script_takes_a_like_back(site: Site) -> None:
    for count, liked in ((1, True), (0, False), (1, True)):
        shown = (await view(site))["examples"][0]
        await submit(site, shown)
        after = (await view(site))["examples"][0]
        assert (after["count"], after["liked"], after["mine_n"] % 2 == 1) == (count, liked, liked)


async def test_claps_stop_at_50(site: Site) -> None:
    come_back_as(site, VISITOR)
    site.engine.put("clap:talk", VISITOR + bytes(6), 50)
    shown = (await view(site))["examples"][1]
    assert (shown["mine_n"], shown["form"]["n"]) == (50, 50)
    assert (await submit(site, shown)).headers["Location"] == "/"
    assert site.engine.item("clap:talk").count == 50


async def test_a_tally_of_before_a_reset_is_not_mine_any_more(site: Site) -> None:
    come_back_as(site, VISITOR)
    site.engine.put("once:article", VISITOR + bytes(6), 1)
    site.engine.put_reset("once:article")
    shown = (await view(site))["examples"][0]
    assert (shown["gen"], shown["mine_n"], shown["form"]["n"], shown["form"]["gen"]) == (1, 0, 1, 1)


async def test_every_page_names_a_new_tab_and_visitor(site: Site) -> None:
    forms = [(await view(site))["form"] for _ in range(2)]
    assert forms[0]["tab"] != forms[1]["tab"]
    assert forms[0]["token"] != forms[1]["token"]


async def test_a_forms_token_is_no_visitors_token(site: Site) -> None:
    form = (await view(site))["form"]
    site.client.session.cookie_jar.update_cookies({"like_token": form["token"]})
    site.engine.put("once:article", site.client.app[keys.FORM_TOKENS].verify(form["token"]) + bytes(6), 1)
    assert (await view(site))["examples"][0]["liked"] is False


async def test_the_cookie_says_who_presses_not_the_form(site: Site) -> None:
    come_back_as(site, VISITOR)
    shown = await view(site)
    await submit(site, shown)
    assert site.engine.presses[0].actor == actor_of("tap:home", VISITOR, shown["form"]["tab"])


async def test_over_https_the_cookie_is_secure_if_a_trusted_proxy_says_so(make_site: MakeSite) -> None:
    site = await make_site()
    answer = await submit(site, await view(site), {"X-Forwarded-Proto": "https"})
    assert answer.cookies["like_token"]["secure"] is True


async def test_who_is_no_trusted_proxy_is_not_believed(make_site: MakeSite) -> None:
    site = await make_site(LIKE_TRUSTED_PROXIES="none")
    answer = await submit(site, await view(site), {"X-Forwarded-Proto": "https"})
    assert not answer.cookies["like_token"]["secure"]


@pytest.mark.parametrize(
    ("code", "prepare"),
    [
        ("read_only", lambda site, form: setattr(site.engine, "is_read_only", True)),
        ("reset", lambda site, form: site.engine.put_reset("tap:home")),
        ("behind", lambda site, form: form.update(gen=5)),
        ("bad_token", lambda site, form: form.update(token="stolen")),
        ("bad_message", lambda site, form: form.update(n="many")),
        ("bad_message", lambda site, form: form.update(n="-1" * 4)),
        ("bad_message", lambda site, form: form.update(gen="-1")),
        ("bad_message", lambda site, form: form.update({f"more{number}": "x" for number in range(20)})),
        ("bad_tally", lambda site, form: form.update(n=0)),
    ],
)
async def test_a_refused_press_comes_back_with_a_notice_and_no_cookie(
    site: Site, code: str, prepare: Callable[[Site, dict[str, Any]], None]
) -> None:
    shown = await view(site)
    prepare(site, shown["form"])
    answer = await submit(site, shown)
    assert (answer.status, answer.headers["Location"]) == (303, f"/?notice={code}")
    assert "Set-Cookie" not in answer.headers
    assert (await view(site, answer.headers["Location"]))["notice"]


async def test_too_many_presses_come_back_with_a_notice(make_site: MakeSite) -> None:
    site = await make_site(LIKE_PRESS_RATE="0.01", LIKE_PRESS_BURST="1")
    await submit(site, await view(site))
    answer = await submit(site, await view(site))
    assert answer.headers["Location"] == "/?notice=rate_limited"


def test_every_way_to_refuse_a_form_has_its_notice() -> None:
    of_operators = {"bad_admin_token", "other_gen", "backing_up", "no_backup", "too_many_origins"}
    of_no_form = {"bad_item", "too_many_items", "forbidden", "forbidden_origin", "overloaded"}
    assert set(LANGUAGES["en"]["notices"]) == set(REFUSALS) - of_no_form - of_operators


async def test_a_notice_is_never_text_of_the_request(site: Site) -> None:
    assert (await view(site, "/?notice=<b>hacked</b>"))["notice"] is None


@pytest.mark.parametrize("page", ["https://evil.example/", "//evil.example", "home2", ""])
async def test_no_request_chooses_where_a_press_leads(site: Site, page: str) -> None:
    answer = await site.client.post(
        "/items/tap%3Ahome/press", params={"page": page}, data={"n": "1"}, allow_redirects=False
    )
    assert answer.headers["Location"] == "/items/tap%3Ahome"


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", ["/items/tap:home/press", "/api/items/tap:home/press"])
async def test_forms_of_other_sites_may_not_press(site: Site, path: str, headers: dict[str, str]) -> None:
    async with site.client.post(path, headers=headers) as answer:
        assert answer.status == 403
        assert (await answer.json(content_type="application/problem+json"))["code"] == "forbidden"
    assert not site.engine.presses


@pytest.mark.parametrize("header", ["Sec-Fetch-Site", "Origin"])
async def test_this_sites_own_form_may_press(site: Site, header: str) -> None:
    own = {"Sec-Fetch-Site": "same-origin", "Origin": f"http://{site.client.host}:{site.client.port}"}
    assert (await submit(site, await view(site), {header: own[header]})).headers["Location"] == "/"


@pytest.mark.parametrize("item", [item for item in BAD_ITEMS if item])
async def test_a_bad_item_in_a_path_is_refused_clearly(site: Site, item: str) -> None:
    for path in (f"/items/{quote(item, safe='')}", f"/api/items/{quote(item, safe='')}"):
        async with site.client.get(path) as answer:
            problem = await answer.json(content_type="application/problem+json")
            assert (answer.status, problem["code"]) == (400, "bad_item")
            assert "kind:name" in problem["detail"]


async def test_a_body_that_is_no_form_is_refused(site: Site) -> None:
    for body in (b"\xff\xfe", b"%ff=%ff", b"&&&===", b"{}"):
        async with site.client.post("/items/tap:home/press", data=body, allow_redirects=False) as answer:
            assert answer.status == 303


async def test_the_real_page_is_complete_without_a_script_and_escapes_what_it_shows(site: Site) -> None:
    aiohttp_jinja2.get_env(site.client.app).loader = jinja2.FileSystemLoader(main.TEMPLATES)
    async with site.client.get("/") as answer:
        page = await answer.text()
    assert page.count('method="post"') == 3
    for field in ("token", "tab", "gen", "n"):
        assert len(re.findall(rf'name="{field}"', page)) == 3
    for asset in set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page)):
        async with site.client.get(asset) as answer:
            assert answer.status == 200, asset
            assert answer.headers["Cache-Control"] == "no-cache"
            assert answer.headers["ETag"]
