"""Watching a run: one page on loopback that keeps up with the records, and through which nothing else can be read."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import chain, repeat
from pathlib import Path

import processes
import pytest
from command_line import Refused
from sweep_cases import new

from experiments.report.html import render
from experiments.report.page import build_report
from experiments.report.watch import _mark
from experiments.report.watch_server import Server, Viewer
from experiments.runs.directory import RunDirectory
from experiments.runs.live_epochs import announce
from experiments.runs.pages import settle
from experiments.runs.records import Record

CHROMIUM = shutil.which("chromium")


pytestmark = [pytest.mark.usefixtures("rendered"), pytest.mark.usefixtures("here")]


def serving(run: RunDirectory, every: float = 0.5) -> AbstractContextManager[Server]:
    return serve(Viewer(lambda: build_report(run), lambda: _mark(run), every))


@contextmanager
def serve(viewer: Viewer) -> Iterator[Server]:
    with Server(0, viewer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(server: Server, path: str = "/", method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def train_run(epochs: int = 0) -> tuple[RunDirectory, list[dict[str, float]]]:
    """A run of two trainings, of which the first has told of some epochs."""
    new("a", "--grid", "rule=ep-centered,backprop", "--set", "epochs=40", experiment="train", chunk=1)
    run = RunDirectory(Path("runs/a").resolve())
    run.live.mkdir()
    records = [{"epoch": epoch, "validation_error": 0.5 / epoch, "sweeps_per_sample": 20.0} for epoch in range(1, 41)]
    tell = announce(run.live, "0")
    for record in records[:epochs]:
        tell(record)
    return run, records


OUTSIDE = (
    "/config.toml", "/journal.sqlite", "/../secret", "/..%2fsecret", "/%2e%2e/secret", "/%2e%2e%2fsecret", "/..\\secret", "//etc/passwd",
    "/runs/a/config.toml", "/./", "/?file=../secret", "/..;/secret", "/%00", "http://127.0.0.1/etc/passwd", "http://evil.example/", "*",
    "/" + "a" * 5000,
)  # fmt: skip


def test_nothing_but_the_page_can_be_asked_for(tmp_path: Path) -> None:
    """If this fails, any program of this machine, or any page in the browser, reads files of the user."""
    (tmp_path / "secret").write_text("the secret")
    run, _ = train_run(2)
    with serving(run) as server:
        for path in OUTSIDE:
            answer, text = ask(server, path)
            foreign = path.startswith("http://evil")  # the client then names that host
            assert answer.status == (421 if foreign else 404), path
            assert foreign or text == "there is one page here: /\n"
        answer, text = ask(server)
        assert answer.status == 200
        assert "0 of 2 trials done" in text
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert ask(server, "/", method)[0].status == 501
        answer, text = ask(server, "/", "HEAD")
        assert (answer.status, text) == (200, "")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:{port}", "localhost:", "[::2]:1", ""])
def test_a_foreign_name_for_this_machine_is_refused(host: str) -> None:
    """If this fails, a page of another site whose name resolves to 127.0.0.1 reads the run (DNS rebinding)."""
    run, _ = train_run()
    with serving(run) as server:
        assert ask(server, Host=host.format(port=server.server_port))[0].status == 421
        assert ask(server, Host=f"localhost:{server.server_port}")[0].status == 200


@pytest.mark.parametrize("host", ["localhost:9999", "127.0.0.1:1", "[::1]:65535", "LOCALHOST:80", "localhost"])
def test_the_near_end_of_a_tunnel_is_this_machine(host: str) -> None:
    """If this fails, the page of a run on a cluster cannot be read through ``ssh -L`` with another port."""
    run, _ = train_run()
    with serving(run) as server:
        assert ask(server, Host=host)[0].status == 200


def test_only_this_machine_is_listened_to_and_only_the_own_script_runs() -> None:
    """If this fails, the network sees the run, or a name in it could become a script."""
    run, _ = train_run(1)
    with serving(run) as server:
        assert server.server_address[0] == "127.0.0.1"
        first, text = ask(server)
        second, _ = ask(server)
    policy = first.headers["Content-Security-Policy"]
    (nonce,) = re.findall(r"script-src 'nonce-([\w-]{20,})';", policy)
    assert nonce not in second.headers["Content-Security-Policy"]
    assert re.findall(r"<script[^>]*>", text) == [f'<script nonce="{nonce}">']
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert first.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in first.headers
    assert "Python" not in first.headers["Server"]


def test_watching_leaves_the_run_as_it_is_also_while_it_is_written() -> None:
    """If this fails, looking at a run stops it, or changes its files."""
    new("a", "--grid", "x=1,2", "--seeds", 20)
    run = RunDirectory(Path("runs/a"))
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with serving(run) as server:
        assert "0 of 40 trials done" in ask(server)[1]
        assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before
        with run.journal() as journal:  # another process's lock and write-ahead log, as of a live writer
            names = sorted(path.name for path in run.path.iterdir())
            with journal.transaction():
                settle(journal, [Record("0", '{"value": 1.0}', None, None, 0.1)])
                assert "0 of 40 trials done" in ask(server)[1]  # within a transaction, nobody sees it yet
            assert "1 of 40 trials done" in within(server, "1 of 40 trials done")
            assert sorted(path.name for path in run.path.iterdir()) == names


def within(server: Server, expected: str, seconds: float = 30.0) -> str:
    deadline, text = time.monotonic() + seconds, ""
    while expected not in text and time.monotonic() < deadline:
        text = ask(server)[1]
        time.sleep(0.1)
    return text


def test_a_run_that_is_damaged_while_it_is_watched_is_said_on_the_page() -> None:
    """If this fails, the watcher dies with the run, or shows old numbers as new ones."""
    new("a", "--grid", "x=1,2")
    run = RunDirectory(Path("runs/a"))
    with serving(run) as server:
        assert "0 of 2 trials done" in ask(server)[1]
        content = run.provenance.read_text()
        run.provenance.write_text("{")
        assert "provenance.json is missing or damaged" in within(server, "damaged")
        run.provenance.write_text(content)
        assert "0 of 2 trials done" in within(server, "trials done")


def test_control_c_ends_the_watch_with_130_and_a_taken_port_is_one_sentence(refused: Refused) -> None:
    """If this fails, watching cannot be ended, or hides what else runs on the port."""
    new("a", "--grid", "x=1,2")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*processes.PROGRAM, "watch", "a", "--json"], env=processes.ENVIRONMENT, text=True, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout is not None
        lines = []
        while not lines or lines[-1] != "}\n":
            lines.append(process.stdout.readline())
        url = json.loads("".join(lines))["url"]
        port = int(url.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10):
            pass
        assert f"cannot serve on port {port}" in refused("watch", "a", "--port", port)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert process.stderr is not None
        assert process.stderr.read().strip() == "eqlab: error: interrupted"


def test_a_watch_waits_for_a_run_that_begins_later(refused: Refused) -> None:
    """If this fails, a watch that is started in one line with the run ends before the run has imported its libraries."""
    assert refused("watch", "a", "--wait", "0").startswith("eqlab: error: there is no run runs/a; see")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*processes.PROGRAM, "watch", "a", "--wait", "50"], env=processes.ENVIRONMENT, text=True, **pipes) as process:  # type: ignore[call-overload]
        assert process.stderr is not None
        assert process.stdout is not None
        line = process.stderr.readline()
        assert line == "there is no run runs/a; see 'eqlab runs list'; waiting 50 s for it to begin\n"
        new("a", "--grid", "x=1,2")
        assert process.stdout.readline().startswith("runs/a: http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130


def test_the_page_of_a_long_trial_has_its_share_and_the_time_left() -> None:
    """If this fails, a page knows 3 of 20 epochs, and no time."""
    run, _ = train_run(3)
    (run.live / "0.share").write_text('{"done": 0.15, "since": 0, "place": "epoch 4 of 20"}')
    with serving(run) as server:
        text = ask(server)[1]
    assert "1 under way, 15 % done (epoch 4 of 20); 0 per second" not in text
    assert re.search(r"1 under way, 15 % done \(epoch 4 of 20\); [\d.e+-]+ per second, [\d.]+ \w+ left; last written", text), text


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_sees_the_curves_grow_without_being_reloaded(tmp_path: Path) -> None:
    """If this fails, the page in a real browser stands still while the run goes on, or its own policy stops its script."""
    run, records = train_run(3)
    short = build_report(run)
    with (run.live / "0.ndjson").open("a") as stream:
        stream.writelines(json.dumps(record) + "\n" for record in records[3:])
    # Drawn beforehand: however slow the machine, the document is the short page and every later look finds the long one.
    pages = chain([short], repeat(build_report(run)))
    with serve(Viewer(lambda: next(pages), object, 0.5)) as server:
        # The scripts' clock is the browser's own, which runs ahead while nothing is loaded: the looks follow each other at once.
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", f"--user-data-dir={tmp_path / 'profile'}")
        command = [str(CHROMIUM), *options, "--dump-dom", server.url]
        seen = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout
    assert points_of(render(short)) == 3
    assert points_of(seen) == len(records), seen[:3000]
    assert 'id="lost" role="alert"></div>' in seen  # no look failed


def points_of(html: str) -> int:
    """How many epochs the first curve has."""
    found = re.search(r'id="f0-validation_error-0">(.*?)</g>', html, re.DOTALL)
    assert found is not None
    line = re.search(r'<path d="(.*?)"', found[1], re.DOTALL)
    assert line is not None
    return len(re.findall("[ML]", line[1]))
