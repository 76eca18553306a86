"""Runs a script as `python SCRIPT ARGS` would, with every tensor operation looked at.

Arguments: the file for events, the limit in seconds, what DEVICE is to hold, "file" or "module", the script or
module, its arguments.
"""

import sys

FOLDER = sys.path.pop(0)  # this script's own: the user's imports must not find anything in it

import importlib.util  # noqa: E402
import os  # noqa: E402


def load_package():
    """The files of this folder as a package that nobody imports by chance."""
    name = "_envtool_rehearsal"
    here = os.path.dirname(os.path.abspath(__file__))
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    return name


def main():
    events, limit, device, how, script = sys.argv[1:6]
    package = load_package()
    telling = importlib.import_module(package + ".telling")
    telling.path = events
    if how == "file":
        sys.path.insert(0, os.path.dirname(os.path.realpath(script)))
    else:
        sys.path.insert(0, os.getcwd())
    sys.argv = [script] + sys.argv[6:]
    os.environ["DEVICE"] = device
    telling.tell("start", python=sys.version.split()[0], executable=sys.executable)
    # The package alone: what lies in it is found by running it, which the rehearsal must see.
    if how != "file" and importlib.util.find_spec(script.partition(".")[0]) is None:
        telling.tell("no-module")
        return 1
    try:
        import torch  # noqa: F401 - whether it can be
    except KeyboardInterrupt:  # envtool got it, too, and says so
        return 130
    except BaseException as error:
        telling.tell("no-torch", type=type(error).__name__, message=str(error)[:500])
        raise
    running = importlib.import_module(package + ".running")
    running.prepare()
    return running.run(script, how, float(limit))


if __name__ == "__main__":
    sys.exit(main())
