"""The example package of docs/how-to/plugins.md, as written there, and a way to install it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^`([\w.]+)`.*?```(?:toml|python)\n(.*?)```", re.DOTALL | re.MULTILINE)


def files() -> dict[str, str]:
    """Return the files of the package by name."""
    return {match[1]: match[2] for match in BLOCK.finditer((ROOT / "docs" / "how-to" / "plugins.md").read_text(encoding="utf-8"))}


def install(folder: Path) -> Path:
    """Write the modules and the metadata that pip would write, and return the folder for ``sys.path``."""
    texts = files()
    project = tomllib.loads(texts.pop("pyproject.toml"))
    assert {f"{module}.py" for module in project["tool"]["setuptools"]["py-modules"]} == set(texts)
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    about = project["project"]
    register(folder, about["name"], about["version"], about["entry-points"])
    return folder


def register(folder: Path, package: str, version: str, groups: dict[str, dict[str, str]]) -> None:
    """Write the metadata of an installed package with entry points."""
    metadata = folder / f"{package.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    lines = [line for group, names in groups.items() for line in (f"[{group}]", *(f"{name} = {target}" for name, target in names.items()))]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
