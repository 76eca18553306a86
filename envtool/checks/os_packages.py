"""The line that installs something with the operating system's own packages, as its distribution wants it."""

from __future__ import annotations

from envtool.machine import Machine, found_or

# By a word of the name that the system gives itself: its installer.
INSTALLERS = (
    ("apt", ("debian", "ubuntu", "mint", "raspbian", "pop!_os", "kali", "zorin", "elementary")),
    ("dnf", ("fedora", "red hat", "rocky", "almalinux", "centos stream", "oracle linux", "amazon linux 2023")),
    ("pacman", ("arch linux", "manjaro", "endeavouros")),
    ("zypper", ("suse",)),
)
LINES = {
    "apt": "sudo apt update && sudo apt install",  # a container's lists of packages are empty at first
    "dnf": "sudo dnf install",
    "pacman": "sudo pacman -S",
    "zypper": "sudo zypper install",
}


def installer_of(machine: Machine) -> str | None:
    """ "apt", "dnf", "pacman", "zypper"; None for any other system."""
    name = found_or(machine.os_version, "").lower()
    return next((tool for tool, words in INSTALLERS if any(word in name for word in words)), None)


def install_line(machine: Machine, **names: str) -> str | None:
    """The line, where what is wanted has a name for this system's installer: ``apt="g++", dnf="gcc-c++"``."""
    tool = installer_of(machine)
    return f"{LINES[tool]} {names[tool]}" if tool in names and tool is not None else None
