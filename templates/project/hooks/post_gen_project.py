"""A file that renders to nothing isn't wanted: it goes, with what Python compiled, and so does a folder left empty."""

import os

for folder, _, names in os.walk(".", topdown=False):
    for name in names:
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            wanted = bool(file.read().strip())
        if not wanted or name.endswith(".pyc"):
            os.remove(path)
    if not os.listdir(folder):
        os.rmdir(folder)
