"""A kernel that is taken for Colab's: a stand-in for google.colab, a stub of torch, and a pip that writes down its orders."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

TORCH = """
import os

__version__ = "{version}"
device = str


class version:
    cuda, hip = {cuda!r}, None


class _Numbers:
    def __add__(self, other):
        return self

    def sum(self):
        return 16.0


def ones(count, device="cpu"):
    if device.startswith("cuda") and os.environ.get("STUB_GPU") != "1":
        raise RuntimeError("Found no NVIDIA driver on your system.")
    if not device.startswith(("cuda", "cpu")):
        raise RuntimeError("no such device")
    return _Numbers()


class _About:
    name, total_memory, major, minor = "Tesla T4", 15 << 30, 7, 5


class cuda:
    get_device_properties = staticmethod(lambda name: _About())
"""

# Takes `-m pip install --constraint FILE --requirement FILE`, notes it, and lays down what PIP_OFFERS has.
PIP = """
import json, os, re, shutil, sys

arguments = sys.argv[1:]
read = lambda option: open(arguments[arguments.index(option) + 1]).read().splitlines() if option in arguments else []
order = {"arguments": arguments, "constraints": read("--constraint"), "requirements": read("--requirement")}
with open(os.environ["PIP_LOG"], "a") as log:
    log.write(json.dumps(order) + "\\n")
site, offers = os.environ["PIP_SITE"], json.loads(os.environ["PIP_OFFERS"])
for text in order["requirements"]:
    name = re.match(r"[A-Za-z0-9._-]+", text)[0]
    if name not in offers:
        sys.exit("ERROR: Cannot install " + text)
for text in order["requirements"]:
    name = re.match(r"[A-Za-z0-9._-]+", text)[0]
    for old in os.listdir(site):
        if re.fullmatch(re.escape(name) + r"-.*[.]dist-info", old):
            shutil.rmtree(os.path.join(site, old))
    folder = os.path.join(site, name + "-" + offers[name] + ".dist-info")
    os.mkdir(folder)
    with open(os.path.join(folder, "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\\nName: " + name + "\\nVersion: " + offers[name] + "\\n")
    with open(os.path.join(folder, "top_level.txt"), "w") as file:
        file.write(name + "\\n")
    with open(os.path.join(site, name + ".py"), "w") as file:
        file.write("__version__ = " + repr(offers[name]) + "\\n")
"""
HELD = {"torch": "2.11.0+cu128", "torchvision": "0.26.0+cu128", "torchaudio": "2.11.0+cu128", "numpy": "2.1.3"}


def lay(site: Path, name: str, version: str, source: str | None = None) -> None:
    """An installed package: its metadata and one module."""
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    (folder / "top_level.txt").write_text(f"{name}\n", encoding="utf-8")
    (site / f"{name}.py").write_text(source or f"__version__ = {version!r}\n", encoding="utf-8")


class Room:
    """One machine of the place; each run is a new session on it."""

    def __init__(self, folder: Path, *, gpu: bool = True, offers: dict[str, str] | None = None) -> None:
        self.folder, self.site, self.log = folder / "content", folder / "site", folder / "pip.jsonl"
        self.folder.mkdir()
        (self.site / "google" / "colab").mkdir(parents=True)
        (self.site / "google" / "colab" / "__init__.py").write_text("", encoding="utf-8")
        (self.site / "pip").mkdir()
        (self.site / "pip" / "__init__.py").write_text("", encoding="utf-8")
        (self.site / "pip" / "__main__.py").write_text(PIP, encoding="utf-8")
        for name, version in HELD.items():
            cuda = "12.8" if "cu128" in version else None
            lay(self.site, name, version, TORCH.format(version=version, cuda=cuda) if name == "torch" else None)
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(self.site),
            "COLAB_RELEASE_TAG": "release-colab-external_20260819",
            "PIP_LOG": str(self.log),
            "PIP_SITE": str(self.site),
            "PIP_OFFERS": json.dumps(offers or {}),
            "STUB_GPU": "1" if gpu else "0",
        }
        self.environment.pop("DEVICE", None)

    def orders(self) -> list[dict[str, list[str]]]:
        """What pip was told to do."""
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def run(self, text: str, *, first: str = "", kernel: str = "python3", **environment: str) -> Ran:
        """A whole notebook, from top to bottom; ``first``: a cell that somebody put before the others."""
        import nbformat
        from nbclient import NotebookClient

        notebook = nbformat.reads(text, as_version=4)
        if first:
            notebook.cells.insert(0, nbformat.v4.new_code_cell(first))
        client = NotebookClient(notebook, timeout=120, kernel_name=kernel, allow_errors=True)
        client.execute(cwd=str(self.folder), env={**self.environment, **environment})
        return Ran(notebook)


class Ran:
    """A notebook that was run: what it printed, and where it would have stopped."""

    def __init__(self, notebook: object) -> None:
        self.printed, self.stop, self.error = "", None, None
        for cell in notebook.cells:  # type: ignore[attr-defined]
            for output in cell.get("outputs", ()):
                if output.output_type == "stream":
                    self.printed += output.text
                elif output.output_type == "error" and self.stop is None:
                    self.stop, self.error = output.evalue, output.ename
                    self.shown = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(output.traceback))
