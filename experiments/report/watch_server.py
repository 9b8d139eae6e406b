"""Serving one page on this machine only. A request cannot name a file, and pages of other sites cannot read the answer."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from contrastive_core.errors import InputError
from experiments.report.contents import Report
from experiments.report.html import Refresh, render

LOOPBACK = "127.0.0.1"
SHARE = 0.2
"""Largest share of a core that is spent on drawing, so that watching does not slow the run down."""
LONGEST_REST = 20.0
"""Seconds after which new records are drawn, whatever that costs."""
_SECONDS_TO_ASK = 10.0
_OURS = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)
"""Names of this machine for itself, which no other site can have."""
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Figures need inline styles; scripts other than the page's own are refused."""


class Viewer:
    """Draws a page on request, but spends no more than ``SHARE`` of a core on it.

    Parameters
    ----------
    draw : callable
        Builds the report from the records, or raises ``InputError``.
    mark : callable
        Returns a value that changes when there is something new to draw.
    seconds : float
        Time between two requests of a browser.
    """

    def __init__(self, draw: Callable[[], Report], mark: Callable[[], object], seconds: float) -> None:
        self._draw, self._mark, self._seconds = draw, mark, seconds
        self._lock = threading.Lock()
        self._page: Report | None = None
        self._drawn: object = None
        self._rest_until = 0.0

    def html(self, nonce: str) -> str:
        """Return the newest page that the share of a core allows.

        Parameters
        ----------
        nonce : str
            Token that allows the page's script.

        Returns
        -------
        str
            A whole document. An unreadable run becomes a page with the error, because the next request may find it whole.
        """
        with self._lock:
            # The lock lets one browser tab draw while the others wait for the same page.
            if self._page is None or time.monotonic() >= self._rest_until:
                self._look()
            assert self._page is not None
            return render(self._page, Refresh(self._seconds, nonce))

    def _look(self) -> None:
        mark = self._mark()
        if self._page is not None and mark == self._drawn:
            return
        start = time.monotonic()
        try:
            self._page, self._drawn = self._draw(), mark
        except InputError as error:
            self._page, self._drawn = Report("This run cannot be read", str(error), "", [], {}, {}, {}), None
        end = time.monotonic()
        self._rest_until = end + min((end - start) / SHARE, LONGEST_REST)


class Server(ThreadingHTTPServer):
    """A web server on loopback with one page.

    Parameters
    ----------
    port : int
        Port, or 0 for any that is free.
    viewer : Viewer
        Source of the page.

    Raises
    ------
    OSError
        If the port is taken or not allowed.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, viewer: Viewer) -> None:
        self.viewer = viewer
        super().__init__((LOOPBACK, port), _Handler)

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{LOOPBACK}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    """Handler that answers for one path only; a path never becomes the name of a file."""

    server: Server
    timeout = _SECONDS_TO_ASK
    protocol_version = "HTTP/1.1"
    server_version = "eqlab"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        nonce = secrets.token_urlsafe(16)
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or not _OURS.fullmatch(hosts[0]):
            # A foreign name that resolves to this machine is how another site's script would try to read the page. Another port of
            # loopback is the near end of a tunnel, such as 'ssh -L'.
            self._send(HTTPStatus.MISDIRECTED_REQUEST, "text/plain", "this server answers to its own address only\n", nonce, with_body)
        elif self.path != "/":
            self._send(HTTPStatus.NOT_FOUND, "text/plain", "there is one page here: /\n", nonce, with_body)
        else:
            self._send(HTTPStatus.OK, "text/html", self.server.viewer.html(nonce), nonce, with_body)

    def _send(self, status: HTTPStatus, kind: str, text: str, nonce: str, with_body: bool) -> None:
        content = text.encode("utf-8", "replace")
        with suppress(ConnectionError):  # a browser that went away
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Security-Policy", _POLICY.format(nonce=nonce))
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: a browser that asks every few seconds would fill the terminal."""
