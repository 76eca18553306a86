"""Everything for this course, with one command: `python3 start.py` (on Windows: `py start.py`).

It puts envtool into the folder .envtool and lets it make the environment .venv: exactly what the lockfile holds, or
what envtool.toml asks for where there is no lockfile. Then it adds the assignments. Run it again at any time: what is
right already stays as it is. With arguments it runs envtool: `python3 start.py doctor`.
"""

import glob
import os
import shutil
import subprocess
import sys

ENVTOOL = "{{ cookiecutter.envtool }}"  # what pip installs
EXTRAS = {"catalog": "[catalog,install]", "check": "[lock,install]", "init": "[init,install]", "lock": "[lock,install]"}
HERE = os.path.dirname(os.path.abspath(__file__))
BIN = "Scripts" if os.name == "nt" else "bin"
LOCKFILE = os.path.join("lockfiles", "pixi.lock")  # all platforms, for CPU and GPU; written by `start.py lock`


def main(arguments):
    if sys.version_info < (3, 10):
        found = "%d.%d" % sys.version_info[:2]
        sys.exit("This needs Python 3.10 or newer, and this is %s. Get one: https://www.python.org/downloads/" % found)
    if arguments:
        sys.exit(subprocess.call([envtool(arguments[0]), *arguments], env=variables()))
    os.chdir(HERE)
    if os.path.exists(LOCKFILE):
        if os.path.exists(os.path.join(".venv", "pyvenv.cfg")):
            sys.exit(
                "error: .venv was made before the course had lockfiles, whose packages don't go into such a folder\n"
                "hint: delete the folder .venv and run this again"
            )
        run(envtool("lock"), "install", "--lock", LOCKFILE, "--into", ".venv")
    else:
        run(envtool("install"), "install", "--into", ".venv")
    for project in sorted(glob.glob("*/pyproject.toml")):
        add(os.path.dirname(project))
    run(envtool("doctor"), "doctor", "--python", ".venv")
    activate = r".venv\Scripts\activate" if os.name == "nt" else "source .venv/bin/activate"
    print("\nReady. In each new terminal, first:\n\n    %s" % activate)


def envtool(verb):
    """The path of envtool, which is installed first where it isn't there."""
    folder = os.path.join(HERE, ".envtool")
    python = os.path.join(folder, BIN, "python")
    if not works(python):
        shutil.rmtree(folder, ignore_errors=True)
        tell("making %s ..." % folder)
        run(sys.executable, "-m", "venv", folder)
    program = os.path.join(folder, BIN, "envtool")
    extras = EXTRAS.get(verb, "[install]")
    what = ENVTOOL.replace("{extras}", extras)
    note = os.path.join(folder, "installed.txt")
    done = open(note, encoding="utf-8").read().splitlines() if os.path.exists(note) else []
    if what not in done:
        tell("installing %s ..." % what)
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pip>=22.3", what)
        with open(note, "a", encoding="utf-8") as file:
            file.write(what + "\n")
    return program


def tell(text):
    print(text, file=sys.stderr, flush=True)


def works(python):
    try:
        return subprocess.call([python, "-I", "-c", "import pip"], stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def add(project):
    """Make the code of an assignment importable; what it needs is in .venv already."""
    places = ("bin/python", "Scripts/python.exe", "python.exe")  # the last is conda's on Windows
    python = next(path for path in (os.path.join(".venv", place) for place in places) if os.path.exists(path))
    pip = [os.path.join(HERE, ".envtool", BIN, "python"), "-m", "pip", "--python", python]
    run(*pip, "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--editable", project)


def variables():
    """The caller's, and this program as it was called: envtool tells people to type that in place of `envtool`."""
    path = '"%s"' % sys.argv[0] if " " in sys.argv[0] else sys.argv[0]
    return dict(os.environ, ENVTOOL_PROGRAM="%s %s" % ("py" if os.name == "nt" else "python3", path))


def run(*command):
    """Run a program in the folder of the course; where it fails, this ends with its exit code."""
    code = subprocess.call(command, cwd=HERE, env=variables())
    if code != 0:
        sys.exit(code)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
