"""Who belongs to a cluster: who knows its secret."""

import secrets

from tests.support.browser import Browser
from tests.support.cluster import Cluster
from tests.support.node import Node


async def test_a_wrong_secret_is_refused_and_both_sides_say_so_until_it_is_corrected(cluster: Cluster) -> None:
    insider = (await cluster.start(1))[0]
    stranger = cluster.new_node(LIKE_SECRET=secrets.token_hex(32), LIKE_PEERS=insider.cluster_address)
    for node in (insider, stranger):
        node.expect_trouble("secret")
    stranger.start()
    await stranger.wait_until_ready()

    for node in (insider, stranger):
        assert "secret" in await node.wait_until_logged("secret")
    async with await Browser.connect(insider.address) as browser:
        await browser.send_press("tap:home")
        await browser.wait_for_message("pressed")
    assert await stranger.count("tap:home") == 0
    assert await cluster.ready_names(insider) == {insider.name}

    async with await Browser.connect(stranger.address) as browser:
        await browser.send_press("tap:home", 2)
        await browser.wait_for_message("pressed")
    stranger.settings["LIKE_SECRET"] = cluster.secret
    await stranger.restart()
    await cluster.wait_until_linked()
    await cluster.assert_converged("tap:home", 3)


async def test_naming_one_node_is_enough_to_join(cluster: Cluster, three_nodes: list[Node]) -> None:
    newcomer = await cluster.add_node(knows=three_nodes[2])

    await cluster.wait_until_linked()
    async with await Browser.connect(newcomer.address) as browser:
        await browser.press("tap:home", 4)
    await cluster.assert_converged("tap:home", 4)
