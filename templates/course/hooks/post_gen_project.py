"""Renders the assignment, which is a project of its own; then drops every file that rendered to nothing."""

import json
import os

from cookiecutter.main import cookiecutter

answers = json.loads(r"""{{ cookiecutter | jsonify }}""")
if os.path.isdir(os.path.join(answers["_repo_dir"], "..", "project")):
    same = {key: answers[key] for key in ("device", "framework", "notebook", "ci", "container", "cluster")}
    cookiecutter(
        os.path.join(answers["_repo_dir"], "..", "project"),
        no_input=True,
        default_config=True,
        extra_context={"project": "assignment", "package": "assignment", "_course": True, **same},
    )

for folder, _, names in os.walk(".", topdown=False):
    for name in names:
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            wanted = bool(file.read().strip())
        if not wanted or name.endswith(".pyc"):
            os.remove(path)
    if not os.listdir(folder):
        os.rmdir(folder)
