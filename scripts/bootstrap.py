"""From nothing but Python to a first run: `python3 scripts/bootstrap.py doctor`, `… test`.

Makes an environment of its own beside the checkout (.venv-envtool or .venv-test), installs envtool there, and
runs it. Nothing outside that folder changes. Uses the standard library only, so that any Python can start it.
"""

import glob
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLDEST = (3, 10)


def fail(message, hint):
    sys.stdout.flush()
    sys.exit("error: %s\nhint: %s" % (message, hint))


def run(*command, **options):
    """Run a program; its failure ends this one with the same exit code."""
    done = subprocess.call(command, cwd=options.get("cwd", ROOT), env=options.get("env"))
    if done != 0:
        sys.exit(done)


def environment(name):
    """The environment's Python, made if it isn't there or does not start any more."""
    folder = os.path.join(ROOT, name)
    python = os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "python")
    if os.path.exists(folder) and subprocess.call([python, "-c", "import pip"], stderr=subprocess.DEVNULL) != 0:
        shutil.rmtree(folder)
    if not os.path.exists(folder):
        print("making %s ..." % folder)
        sys.stdout.flush()
        if subprocess.call([sys.executable, "-m", "venv", folder]) != 0:
            shutil.rmtree(folder, ignore_errors=True)
            fail("this Python can't make environments", "on Debian and Ubuntu: sudo apt install python3-venv")
        run(python, "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1")
    return python


def doctor(arguments):
    python = environment(".venv-envtool")
    run(python, "-m", "pip", "install", "--quiet", ROOT)
    sys.exit(subprocess.call([script(python, "envtool"), "doctor"] + arguments))


def test(arguments):
    """Lint, types, then the tests against the built wheel; `--slow` adds the slow ones, the rest goes to pytest."""
    python = environment(".venv-test")
    run(python, "-m", "pip", "install", "--quiet", "--group", os.path.join(ROOT, "pyproject.toml") + ":dev")
    wheels = os.path.join(ROOT, "dist")
    shutil.rmtree(wheels, ignore_errors=True)
    run(python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, ROOT)
    (wheel,) = glob.glob(os.path.join(wheels, "envtool-*.whl"))
    run(python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", wheel)
    run(python, "-m", "pip", "install", "--quiet", wheel)  # what it requires, where that is missing
    run(script(python, "ruff"), "check", ".")
    run(script(python, "ruff"), "format", "--check", ".")
    run(script(python, "mypy"))
    slow = ["--run-slow"] if "--slow" in arguments else []
    rest = [argument for argument in arguments if argument != "--slow"]
    env = dict(os.environ, ENVTOOL_TEST_WHEEL="1")
    env["PATH"] = os.path.dirname(python) + os.pathsep + env.get("PATH", "")  # uv, among the development tools
    env.pop("PYTHONPATH", None)  # it would put something before the installed wheel, as `python -m pytest` would
    workers = [] if any(word.startswith("-n") for word in rest) else ["-n", "auto"]
    sys.exit(subprocess.call([script(python, "pytest")] + workers + slow + rest, cwd=ROOT, env=env))


def script(python, name):
    return os.path.join(os.path.dirname(python), name + (".exe" if os.name == "nt" else ""))


COMMANDS = {"doctor": doctor, "test": test}

if __name__ == "__main__":
    if sys.version_info < OLDEST:
        fail(
            "envtool needs Python 3.10 or newer; this is %d.%d (%s)" % (sys.version_info[:2] + (sys.executable,)),
            "install a newer Python from https://www.python.org/downloads/",
        )
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        fail("say what to do", "python3 scripts/bootstrap.py doctor, or … test")
    COMMANDS[sys.argv[1]](sys.argv[2:])
