"""Fixtures of the tests of data sets."""

from pathlib import Path

import pooch
import pytest
from download_server import Server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    server = Server()
    monkeypatch.setattr(pooch.core, "choose_downloader", server.choose_downloader)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    return server
