"""From nothing but Python to a first run: `python3 scripts/bootstrap.py doctor`, and `test`.

Makes an environment of its own in the checkout (.venv-envtool or .venv-test), installs envtool there, and runs it with
the rest of the command line. Nothing else changes. Uses the standard library only, so that any Python can start it and
an old one is told so.
"""

import glob
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLDEST = (3, 10)


def fail(message, hint):
    sys.stdout.flush()
    sys.exit("error: %s\nhint: %s" % (message, hint))


def clean():
    """The variables without those that would put other packages before an environment's own."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def run(*command):
    """Run a program in the checkout; its failure ends this one with the same exit code."""
    done = subprocess.call(command, cwd=ROOT, env=clean())
    if done != 0:
        sys.exit(done)


def environment(name):
    """The environment's Python, made if it isn't there or does not start any more."""
    folder = os.path.join(ROOT, name)
    python = os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "python")
    if os.path.exists(folder) and not starts(python):
        shutil.rmtree(folder)
    if not os.path.exists(folder):
        print("making %s ..." % folder)
        sys.stdout.flush()
        if subprocess.call([sys.executable, "-m", "venv", folder], env=clean()) != 0:
            shutil.rmtree(folder, ignore_errors=True)
            fail("this Python can't make environments", "on Debian and Ubuntu: sudo apt install python3-venv")
        run(python, "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1")
    return python


def starts(python):
    try:
        return subprocess.call([python, "-I", "-c", "import pip"], stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def envtool(arguments):
    """Any command of envtool, in the caller's folder and with the caller's variables: they are what it looks at."""
    python = environment(".venv-envtool")
    run(python, "-m", "pip", "install", "--quiet", ROOT + extra(arguments[0]))
    program = "from envtool.cli.app import console; import sys; sys.argv[0] = %r; console()" % script(python, "envtool")
    # -I: what a PYTHONPATH holds must not break envtool itself; its children see the variable all the same.
    sys.exit(subprocess.call([python, "-I", "-c", program] + arguments))


def extra(verb):
    """What a verb needs beside the core: the extra that has its name, where there is one."""
    with open(os.path.join(ROOT, "pyproject.toml"), encoding="utf-8") as file:
        extras = file.read().partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    return "[%s]" % verb if re.search(r"^%s *= *\[" % re.escape(verb), extras, re.MULTILINE) else ""


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
    env = dict(clean(), ENVTOOL_TEST_WHEEL="1")
    env["PATH"] = os.path.dirname(python) + os.pathsep + env.get("PATH", "")  # uv, among the development tools
    # The script, not `python -m pytest`, which would put the checkout before the installed wheel.
    workers = [] if any(word.startswith("-n") for word in rest) else ["-n", "auto"]
    sys.exit(subprocess.call([script(python, "pytest")] + workers + slow + rest, cwd=ROOT, env=env))


def called():
    """This program as it was typed."""
    path = '"%s"' % sys.argv[0] if " " in sys.argv[0] else sys.argv[0]
    return "%s %s" % ("py" if os.name == "nt" else "python3", path)


def script(python, name):
    return os.path.join(os.path.dirname(python), name + (".exe" if os.name == "nt" else ""))


def main(arguments):
    if sys.version_info < OLDEST:
        fail(
            "envtool needs Python 3.10 or newer; this is %d.%d (%s)" % (sys.version_info[:2] + (sys.executable,)),
            "install a newer Python from https://www.python.org/downloads/",
        )
    if not arguments:
        fail("say what to do", "%s doctor (or any command of envtool), or test" % called())
    try:
        if arguments[0] == "test":
            test(arguments[1:])
        else:
            envtool(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    except OSError as error:
        fail(str(error), "use a checkout that you may write to")


if __name__ == "__main__":
    main(sys.argv[1:])
