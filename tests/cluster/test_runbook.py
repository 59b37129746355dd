"""The runbook's steps on real nodes: its commands as written, and that what it promises of them is so."""

import asyncio
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from app.wire import CLOSE_LEAVING
from tests.cluster.crowd import CLAP, TAP
from tests.support.browser import Browser
from tests.support.cluster import Cluster
from tests.support.echoes import nodes_of_tabs
from tests.support.nginx import Nginx
from tests.support.node import Node
from tests.support.operator import RUNBOOK, Operator
from tests.support.process import REPOSITORY
from tests.support.visitor import Visitor
from tests.support.waiting import wait_for

# Which test does what stands below a heading: here, or elsewhere in tests/ where that was there before.
HERE, WORDS = "cluster/test_runbook.py", "unit/test_runbook_words.py"
BACKED_UP = (HERE, "test_a_backup_under_load_fills_a_new_node_and_a_lost_cluster")
EVERYDAY = (HERE, "test_everyday_commands_of_an_operator")
COME_AND_GO = (HERE, "test_nodes_come_and_go_behind_nginx")
PROVED_BY = {
    "How is it?": EVERYDAY,
    "Alarms in the log": (WORDS, "test_every_alarm_of_the_source_is_explained"),
    "Alarms of the metrics": (WORDS, "test_every_metric_of_an_alert_exists"),
    "How a node ends, and what keeps it from starting": (WORDS, "test_every_refusal_to_start_is_quoted"),
    "Take a backup": BACKED_UP,
    "Restore a backup onto a new node": BACKED_UP,
    "Backup and restore with compose": (
        "compose/test_compose_backup.py",
        "test_a_backup_of_a_container_is_restored",
    ),
    "All disks are lost": BACKED_UP,
    "Replace a lost disk": ("cluster/test_catching_up.py", "test_a_lost_disk_loses_no_acknowledged_press"),
    "A ledger whose file is broken": (HERE, "test_a_broken_ledger_is_moved_away"),
    "Rows that the disk has changed": (HERE, "test_rows_in_quarantine_are_looked_at_and_forgotten"),
    "A full disk": (HERE, "test_a_full_disk_is_freed"),
    "A wrong secret": (
        "cluster/test_membership.py",
        "test_a_wrong_secret_is_refused_and_both_sides_say_so_until_it_is_corrected",
    ),
    "Change the secret without a stop": (HERE, "test_the_secret_is_changed_without_a_stop"),
    "Add a node": COME_AND_GO,
    "Take a node away": COME_AND_GO,
    "Update": ("faults/processes.py", "upgrade_in_turn"),
    "Reset an item": EVERYDAY,
    "Freeze an item": EVERYDAY,
    # In the terminal client; on a browser's console: tests/browser/test_reset.py.
    "Erase a visitor": EVERYDAY,
}


@pytest.fixture
def operator(tmp_path: Path, cluster: Cluster) -> Operator:
    return Operator(tmp_path, cluster)


async def press(node: Node, item: str, times: int) -> None:
    """So many presses, saved."""
    async with await Browser.connect(node.address) as browser:
        await browser.press(item, times)


async def figure(cluster: Cluster, node: Node, metric: str) -> float:
    async with cluster.session.get(f"{node.address}/metrics") as answer:
        (value,) = re.findall(rf"^{metric} (\S+)$", await answer.text(), re.MULTILINE)
        return float(value)


def test_every_step_has_its_test() -> None:
    assert list(PROVED_BY) == RUNBOOK.headings()
    for file, name in PROVED_BY.values():
        assert f"def {name}(" in (REPOSITORY / "tests" / file).read_text(), name


async def test_a_backup_under_load_fills_a_new_node_and_a_lost_cluster(
    cluster: Cluster, operator: Operator
) -> None:
    nodes = await cluster.start(2)
    async with Visitor([node.address for node in nodes], TAP) as visitor:
        enough = asyncio.Event()
        pressing = asyncio.create_task(visitor.press_steadily(100, enough))
        await wait_for(lambda: visitor.saved > 10, 10, "a load")
        before = visitor.saved
        await operator.do("Take a backup", nodes[0])
        assert visitor.saved > before, "the node goes on meanwhile"
        enough.set()
        await pressing
        await visitor.wait_until_saved()
    async with await Browser.connect(nodes[0].address, tab="a-page") as page:
        await page.press(CLAP, 3)

    newcomer = cluster.new_node(LIKE_PEERS=nodes[1].cluster_address)
    await operator.do("Restore a backup onto a new node", newcomer)
    newcomer.start()
    await cluster.wait_until_ready()
    await cluster.assert_converged(TAP, visitor.pressed)
    await cluster.assert_converged(CLAP, 3)

    for node in cluster.nodes:
        await node.kill()
        node.wipe()
    await operator.do("All disks are lost", nodes[0])
    for node in cluster.nodes:
        node.start()
    await cluster.wait_until_ready()
    restored = await nodes[0].count(TAP)
    assert before <= restored <= visitor.pressed
    await cluster.assert_converged(TAP, restored)
    await cluster.assert_converged(CLAP, 0)
    # What the page does that is still open: it sends its number again.
    async with await Browser.connect(nodes[1].address, token=page.token, tab="a-page") as page:
        await page.wait_until_acknowledged(await page.send_target(CLAP, 3))
    await cluster.assert_converged(CLAP, 3)


async def test_a_broken_ledger_is_moved_away(cluster: Cluster, operator: Operator) -> None:
    broken, sound = await cluster.start(2)
    await press(broken, TAP, 5)
    await broken.stop()
    with (broken.data_dir / "ledger.db").open("r+b") as ledger:
        ledger.write(b"a page of something else" * 40)

    broken.start()
    assert await broken.wait_until_ended() == 3
    assert "move it and the -wal beside it away" in broken.log_lines()[-1]
    await operator.do("A ledger whose file is broken", broken)
    await broken.restart()
    assert await broken.count(TAP) == 5, "ready means: it has pulled everything"
    assert sound.is_running


async def test_rows_in_quarantine_are_looked_at_and_forgotten(cluster: Cluster, operator: Operator) -> None:
    spoilt, _ = await cluster.start(2)
    await press(spoilt, TAP, 5)
    await spoilt.stop()
    with closing(apsw.Connection(str(spoilt.data_dir / "ledger.db"))) as ledger:
        ledger.execute("UPDATE tallies SET n = n + 1000")

    for trouble in ("engine.failed", "node.failed", "ledger.checked", "SpoiltError"):
        spoilt.expect_trouble(trouble)
    spoilt.start()
    assert await spoilt.wait_until_ended() == 1
    await spoilt.restart()
    await spoilt.wait_until_logged("ledger.checked")
    assert await figure(cluster, spoilt, "like_quarantined_rows") == 1
    await cluster.assert_converged(TAP, 5)

    await operator.do("Rows that the disk has changed", spoilt)
    seen = await operator.do("Rows that the disk has changed", spoilt, step=1)
    assert TAP in seen
    assert "1005" in seen
    assert "checksum" in seen
    await spoilt.stop()
    await operator.do("Rows that the disk has changed", spoilt, step=2)
    await spoilt.restart()
    assert await figure(cluster, spoilt, "like_quarantined_rows") == 0
    await cluster.assert_converged(TAP, 5)


async def test_the_secret_is_changed_without_a_stop(cluster: Cluster) -> None:
    nodes = await cluster.start(2)
    old, new = cluster.secret, secrets.token_hex(32)
    async with await Browser.connect(nodes[0].address) as browser:
        forgotten = browser.token
    async with Visitor([node.address for node in nodes], TAP) as visitor:
        enough = asyncio.Event()
        pressing = asyncio.create_task(visitor.press_steadily(50, enough))
        for value in (f"{old},{new}", f"{new},{old}", new):
            for node in nodes:
                node.settings["LIKE_SECRET"] = value
                await node.restart()
                await cluster.wait_until_linked()
        enough.set()
        await pressing
        await visitor.wait_until_saved()
    # Were the visitor's token refused on the way, it would have gone on as another, and counted anew.
    await cluster.assert_converged(TAP, visitor.pressed)
    headers = {"Authorization": f"Bearer {forgotten}"}
    async with cluster.session.get(f"{nodes[0].address}/api/items/{TAP}", headers=headers) as answer:
        assert answer.status == 401


async def test_everyday_commands_of_an_operator(
    cluster: Cluster, three_nodes: list[Node], operator: Operator
) -> None:
    here, there, leaver = three_nodes
    await press(there, TAP, 4)
    await operator.do("Reset an item", here)
    await cluster.assert_converged(TAP, 0)

    like = '.venv/bin/python -m cli --address "$NODE" like'
    await operator.do("Freeze an item", here)
    code, said = await operator.run(like, there)
    assert (code, "closed" in said) == (1, True), said
    await operator.do("Freeze an item", there, step=1)

    assert (await operator.run(like, here))[0] == 0
    await cluster.assert_converged(TAP, 1)
    await operator.do("Erase a visitor", here)
    await cluster.assert_converged(TAP, 0, within_s=10)

    assert (await operator.do("How is it?", here)).count("ready") == 3
    await leaver.stop()
    await press(here, TAP, 2)
    assert (await operator.do("How is it?", there)).count("unreachable") == 1
    await cluster.assert_converged(TAP, 2)


async def test_nodes_come_and_go_behind_nginx(cluster: Cluster, tmp_path: Path) -> None:
    """One node, three, two, one: tabs get what nodes.conf names, and "saved" is said as the runbook has it."""
    first, second = await cluster.start(2)

    def upstreams(*nodes: Node) -> list[str]:
        return [f"127.0.0.1:{node.port}" for node in nodes]

    async def tabs_are_on(*nodes: Node) -> None:
        names = {node.name for node in nodes}
        await wait_for(
            lambda: has_tabs_on(nginx, names), 10, f"tabs on {', '.join(sorted(names))}, and on no other node"
        )

    async with Nginx(tmp_path, upstreams(first, second)) as nginx:
        newcomer = await cluster.add_node(knows=second)
        await nginx.reload(upstreams(first, second, newcomer))
        await tabs_are_on(first, second, newcomer)

        async with await Browser.connect(newcomer.address) as there:
            await nginx.reload(upstreams(first, second))
            await tabs_are_on(first, second)
            await newcomer.stop()
            assert await there.wait_until_closed() == CLOSE_LEAVING
        await press(first, TAP, 3)
        await cluster.assert_converged(TAP, 3)

        await second.stop()
        await nginx.reload(upstreams(first))
        await tabs_are_on(first)
        async with await Browser.connect(first.address) as alone:
            await alone.send_press(TAP)
            answer = await alone.wait_for_message("pressed")
            assert (answer["copies"], answer["wanted"]) == (0, 1), "its copy is waited for"
        first.settings.pop("LIKE_PEERS", None)
        await first.restart()
        await press(first, TAP, 2)
        assert await first.count(TAP) == 6


async def has_tabs_on(nginx: Nginx, names: set[str]) -> bool:
    return set(await nodes_of_tabs(nginx, 6)) == names


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    disk = tmp_path / "small disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)], check=True)
    yield disk
    # Lazy: the node that uses it is ended after this.
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def test_a_full_disk_is_freed(cluster: Cluster, operator: Operator, small_disk: Path) -> None:
    sound = (await cluster.start(1))[0]
    full = await cluster.add_node(LIKE_DATA_DIR=str(small_disk / "data"))
    full.data_dir = small_disk / "data"
    full.expect_trouble("ledger.full")
    await cluster.wait_until_linked()
    await press(full, TAP, 5)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
        while file.write(bytes(4096)):
            pass

    code, said = await operator.run(RUNBOOK.commands("Take a backup")[0], full)
    assert (code, "free space on this disk, or back up another node" in said) == (1, True), said
    async with Visitor([full.address, sound.address], TAP) as visitor:
        enough = asyncio.Event()
        pressing = asyncio.create_task(visitor.press_steadily(100, enough))
        await full.wait_until_logged("ledger.full", within_s=20)
        filler.unlink()
        await full.wait_until_logged("ledger.has_room")
        enough.set()
        await pressing
    await cluster.wait_until_linked()
    assert await cluster.ready_names(sound) == {sound.name, full.name}
    seen = await cluster.counts(TAP)
    assert len(set(seen.values())) == 1, seen
