"""Images built here by buildah, without a registry: the base is an image whose programs are this machine's own.

Its /usr is mounted from here while a line runs, read-only, and so is a Python with torch.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BASE = "localhost/with-python:1"
MOUNTED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "share", "libexec")
ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "group": "root:x:0:\n",
    "shadow": "root:*:1::::::\n",
    "login.defs": "MAIL_DIR /var/mail\nUID_MIN 1000\nGID_MIN 1000\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "hosts": "127.0.0.1 localhost\n",
}


@dataclass
class Builder:
    """buildah with a store of its own. ``python``: the program that is python3 in the images."""

    folder: Path
    python: str
    more: tuple[str, ...] = ()  # folders to mount besides, at their own places

    def run(self, *words: str | os.PathLike[str], timeout: int = 200) -> subprocess.CompletedProcess[str]:
        own = ["--storage-driver", "vfs", "--root", self.folder / "store", "--runroot", self.folder / "run"]
        return subprocess.run(
            ["buildah", *map(str, own), *map(str, words)], capture_output=True, text=True, timeout=timeout,
            env={**os.environ, "BUILDAH_ISOLATION": "chroot", "TMPDIR": str(self.folder)},
        )  # fmt: skip

    def base(self) -> str | None:
        """Make the image to begin with; why it can't be done, where it can't."""
        root = self.folder / "base"
        for name in ("usr/local/bin", "etc", "root", "home", "opt", "var/cache", "proc", "sys", "dev", "run"):
            (root / name).mkdir(parents=True, exist_ok=True)
        (root / "tmp").mkdir(exist_ok=True)
        (root / "tmp").chmod(0o1777)
        for name in MOUNTED:
            link = Path("/", name)
            if link.is_symlink():
                (root / name).symlink_to(os.readlink(link))
            (root / "usr" / name).mkdir(exist_ok=True)
        for name, text in ETC.items():
            (root / "etc" / name).write_text(text)
        for name in ("alternatives", "ld.so.cache"):
            if Path("/etc", name).is_dir():
                shutil.copytree(Path("/etc", name), root / "etc" / name, symlinks=True)
            elif Path("/etc", name).exists():
                shutil.copy(Path("/etc", name), root / "etc" / name)
        containerfile = self.folder / "Base"
        containerfile.write_text(
            f"FROM scratch\nCOPY . /\nENV PATH={os.path.dirname(self.python)}:/usr/local/bin:/usr/bin:/usr/sbin:/bin\n"
        )
        done = self.run("bud", "--file", containerfile, "--tag", BASE, root)
        if done.returncode != 0:
            return done.stderr
        (self.folder / "probe").mkdir()
        (self.folder / "probe" / "Dockerfile").write_text(f"FROM {BASE}\nRUN python3 -c 'print(1)'\n")
        done = self.build(self.folder / "probe", "probe")
        return None if done.returncode == 0 else done.stderr

    def mounts(self) -> list[str]:
        shared = [f"/usr/{name}" for name in MOUNTED if Path("/usr", name).is_dir()]
        return [word for folder in (*shared, *self.more) for word in ("--volume", f"{folder}:{folder}:ro")]

    def build(self, context: Path, tag: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("bud", "--network", "host", *self.mounts(), *words, "--tag", tag, context)

    def config(self, tag: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.run("inspect", "--type", "image", tag).stdout)
        return found["OCIv1"]["config"]  # type: ignore[index,return-value]

    def in_image(self, tag: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program in a container of the image, as its user."""
        container = self.run("from", "--pull-never", tag).stdout.strip()
        done = self.run("run", "--network", "host", *self.mounts(), container, "--", *words)
        self.run("rm", container)
        return done


def why_not() -> str | None:
    """Why no image can be built here; None where one can."""
    if not sys.platform.startswith("linux") or shutil.which("buildah") is None:
        return "there is no buildah"
    return None if os.geteuid() == 0 else "buildah is run as root here"
