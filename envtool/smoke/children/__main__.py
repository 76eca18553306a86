"""Smoke tests of PyTorch in this Python: `python FOLDER`, or one file made of it. Needs torch and Python 3.8.

The process that reads this never imports torch. It looks for modules in the standard library and beside this file and
nowhere else, so that no file of the user stands in for one of them; its child processes import as the user does.
"""

import sys


def standard_library():
    """The entries of the path that hold the standard library: they are beside the package `encodings`."""
    home = list(sys.modules["encodings"].__path__)[0].replace("\\", "/").rsplit("/", 1)[0]
    keep = []
    for entry in sys.path[1:]:
        plain = entry.replace("\\", "/").rstrip("/")
        if plain in (home, home + "/lib-dynload") or plain.endswith(("/DLLs", ".zip")):
            keep.append(entry)
    return keep


def unpacked(archive):
    """A folder with the files of the archive: child processes and compilers want to read them."""
    import atexit
    import shutil
    import tempfile
    import zipfile

    folder = tempfile.mkdtemp(prefix="smoke-files-")
    atexit.register(shutil.rmtree, folder, True)
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder


def main():
    if sys.version_info < (3, 8):
        sys.stderr.write("error: the smoke tests need Python 3.8 or newer, this is %d.%d\n" % sys.version_info[:2])
        return 2
    own = sys.path[0]
    sys.path[1:] = standard_library()
    import os

    if os.path.isfile(own):
        sys.path[0] = unpacked(own)
    import command

    return command.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
