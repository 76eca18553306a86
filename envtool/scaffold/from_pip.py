"""requirements.txt and a pyproject.toml's dependencies, carried over into an envtool.toml."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from envtool.course.belongings import plain_name
from envtool.course.imported import package_of_import
from envtool.errors import UsageError
from envtool.scaffold.carried import Carried
from envtool.spec import FAMILY

Read = Callable[[str], str]  # the text of a file, by its path
DEEPEST = 10  # files that name files
_INDEX = re.compile(r"download\.pytorch\.org/whl/(?:nightly/)?([a-z]+[0-9.]*)/?")
_OPTION = re.compile(r"(-[a-zA-Z]|--[a-z-]+)(?:[ =]\s*|(?<=-[a-zA-Z]))?(.*)")
# What an option of a requirements file means here; one that is not in this table is left out without a reason.
_OPTIONS = {
    "-f": "where wheels are found is said when installing: `envtool install --find-links`",
    "--find-links": "where wheels are found is said when installing: `envtool install --find-links`",
    "-i": "which index is used is said when installing",
    "--index-url": "which index is used is said when installing",
    "--extra-index-url": "which index is used is said when installing",
    "--hash": "hashes belong in a lockfile: `envtool lock`",
    "--require-hashes": "hashes belong in a lockfile: `envtool lock`",
}


def requirements_file(path: str, carried: Carried, read: Read) -> None:
    """A requirements.txt and the files that it names with -r and -c."""
    constraints: dict[str, str] = {}
    _file(path, carried, read, constraints, ())
    _constrain(carried, constraints)


def _file(path: str, carried: Carried, read: Read, constraints: dict[str, str], above: tuple[str, ...]) -> None:
    if path in above:
        carried.note(f"-r {path}", "names itself")
        return
    if len(above) >= DEEPEST:
        raise UsageError(f"{path}: more than {DEEPEST} files name each other", hint="put them into fewer files")
    for line in logical_lines(read(path)):
        option = _OPTION.match(line)
        if option is None:
            requirement(line, carried)
        elif option[1] in ("-r", "--requirement", "-c", "--constraint"):
            inner = _beside(path, option[2].strip().strip("\"'"))
            if "://" in inner:
                carried.note(line, "only files on this machine are read")
            elif option[1] in ("-r", "--requirement"):
                _file(inner, carried, read, constraints, (*above, path))
            else:
                _constraints(inner, carried, read, constraints)
        else:
            an_option(option[1], option[2], line, carried)


def logical_lines(text: str) -> Iterator[str]:
    """The lines without comments, those that end in a backslash joined with the next."""
    joined = re.sub(r"\\\r?\n", " ", text)
    for line in joined.splitlines():
        bare = re.sub(r"(^|\s)#.*$", "", line).strip()
        if bare:
            yield bare


def _beside(path: str, inner: str) -> str:
    """A path in a file is meant from that file's folder."""
    if "://" in inner or inner.startswith("/") or re.match(r"[A-Za-z]:[\\/]", inner):
        return inner
    folder = re.match(r"(.*[\\/])", path)
    return f"{folder[1] if folder else ''}{inner}"


def an_option(name: str, value: str, line: str, carried: Carried, *, pip_only: bool = False) -> None:
    """An option of pip in a list of requirements."""
    repository = re.fullmatch(r"(git\+https?://\S+?)#egg=([A-Za-z0-9._-]+)\S*", value.strip())
    if name in ("-e", "--editable") and repository:
        carried.note(line, "installed as a package, and not to be edited")
        requirement(f"{repository[2]} @ {repository[1]}", carried, pip_only=pip_only)
        return
    if name in ("-e", "--editable") and "://" in value:
        carried.note(line, "only addresses that begin with https:// and end with #egg=NAME are carried over")
        return
    if name in ("-e", "--editable"):
        _editable(value, line, carried)
        return
    index = _INDEX.search(value)
    if index:
        carried.add_variant(index[1])
        carried.note(line, f"PyTorch's index is chosen for each machine; {index[1]} became a variant")
        return
    carried.note(line, _OPTIONS.get(name, "is said to pip when installing"))


def _editable(value: str, line: str, carried: Carried) -> None:
    from envtool.course.forms import Misfit
    from envtool.course.values import folder

    path = value.strip().strip("\"'").replace("\\", "/")
    bare, _, extras = path.partition("[")
    try:
        found = folder(bare)
    except Misfit:
        carried.note(line, "only a folder beside the file is carried over")
        return
    if extras:
        carried.note(line, f"the extras [{extras} are left out")
    if found not in carried.editable:
        carried.editable.append(found)


def _constraints(path: str, carried: Carried, read: Read, constraints: dict[str, str]) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    for line in logical_lines(read(path)):
        try:
            found = Requirement(_without_hashes(line, carried))
        except InvalidRequirement:
            carried.note(line, f"is not understood in {path}")
            continue
        constraints[plain_name(found.name)] = str(found.specifier)


def _constrain(carried: Carried, constraints: dict[str, str]) -> None:
    """Constraints hold for what is asked for; the others would only bind what comes along."""
    unused = 0
    for name, specifier in constraints.items():
        shared = next((old for old in carried.shared if plain_name(old) == name), None)
        if name in carried.torch:
            carried.add_torch(name, specifier)
        elif shared is not None:
            carried.add_shared(shared, specifier)
        elif name in carried.pip and carried.pip[name] == name:
            carried.pip[name] = f"{name}{specifier}"
        else:
            unused += 1
    if unused:
        words = "1 constraint" if unused == 1 else f"{unused} constraints"
        carried.note(words, "of packages that the list doesn't name; such belong in a lockfile")


# ── one requirement ──────────────────────────────────────────────────────────────────────────────


def requirement(text: str, carried: Carried, *, pip_only: bool = False) -> None:
    """A requirement by PyPI's name. ``pip_only``: its author has set it apart from conda's packages."""
    from packaging.requirements import InvalidRequirement, Requirement

    text = _without_hashes(text, carried)
    named = re.fullmatch(r"(git\+https?://\S+?)#egg=([A-Za-z0-9._-]+)\S*", text)
    text = f"{named[2]} @ {named[1]}" if named else text
    try:
        found = Requirement(text)
    except InvalidRequirement:
        carried.note(text, _not_a_requirement(text))
        return
    package = package_of_import(found.name) if not found.url else None
    if package is not None:
        carried.note(text, f"is what is imported; it became {package}")
        requirement(text.replace(found.name, package, 1), carried, pip_only=pip_only)
        return
    name = plain_name(found.name)
    if name in (*FAMILY, "pytorch"):
        _torch(name, text, carried)
    elif carried.names.comes_with_torch(name):
        carried.note(text, "comes with torch")
    elif name in carried.names.needless:
        carried.note(text, "need not be named")
    elif found.url and not re.match(r"(git\+)?https?://", found.url):
        carried.note(text, "other machines can't reach that address")
    elif found.url or found.marker or found.extras or pip_only:
        _of_pip(name, text, carried)
    else:
        conda = carried.names.conda(name)
        carried.add_shared(conda or found.name, str(found.specifier), pypi=found.name if conda else None)
        if conda is None:
            carried.assumed.append(found.name)


def _torch(name: str, text: str, carried: Carried) -> None:
    from packaging.requirements import Requirement

    found = Requirement(text)
    if name == "pytorch":
        carried.note(text, "PyPI's name is torch, which was taken")
        name = "torch"
    if found.url:
        index = _INDEX.search(found.url)
        wheel = re.search(r"/[a-z]+-([0-9.]+)(?:%2B|\+)?([a-z0-9.]*)-cp", found.url)
        carried.note(text, "the build is chosen for each machine, not by an address")
        variant = (wheel[2] if wheel else None) or (index[1] if index else None)
        carried.add_torch(name, f"=={wheel[1]}" if wheel else "", variant)
        return
    if found.marker or found.extras:
        carried.note(text, "which build a platform gets is chosen for it; the condition was left out")
    carried.add_torch(name, str(found.specifier))


def _of_pip(name: str, text: str, carried: Carried) -> None:
    from envtool.course.forms import Misfit
    from envtool.course.packages import pip_requirement

    try:
        carried.add_pip(name, pip_requirement(text))
    except Misfit as misfit:
        carried.note(text, misfit.problem)


def _without_hashes(text: str, carried: Carried) -> str:
    bare = re.sub(r"\s+--hash[= ]\S+", "", text)
    if bare != text:
        carried.note("--hash=…", _OPTIONS["--hash"])
    return re.sub(r"\s+--(config-settings|global-option|no-binary|only-binary)[= ].*$", "", bare).strip()


def _not_a_requirement(text: str) -> str:
    if re.match(r"(\.|/|~|[A-Za-z]:[\\/])", text) or text.endswith((".whl", ".tar.gz", ".zip")):
        return "a path of this machine is on no other"
    if "://" in text:
        return "an address without a name: write NAME @ ADDRESS in [pip] packages"
    return "is not a requirement"


# ── pyproject.toml ───────────────────────────────────────────────────────────────────────────────


def pyproject(document: dict[str, object], carried: Carried) -> None:
    """The [project] table: name, requires-python, dependencies."""
    project = document.get("project")
    if not isinstance(project, dict):
        what = "it is kept by another tool's own table" if "tool" in document else "add one, or name a requirements.txt"
        raise UsageError("the pyproject.toml has no [project] table, so it names no dependencies", hint=what)
    name, python, listed = project.get("name"), project.get("requires-python"), project.get("dependencies", [])
    carried.name = name if isinstance(name, str) else None
    carried.python = python.replace(" ", "") if isinstance(python, str) else ""
    for text in listed if isinstance(listed, list) else []:
        if isinstance(text, str):
            requirement(text, carried)
    for key, what in (("optional-dependencies", "project"), ("dependency-groups", "")):
        table = project.get(key) if what else document.get(key)
        if isinstance(table, dict) and table:
            carried.note(f"[{key}] {', '.join(map(str, table))}", "an envtool.toml has one list; add what is needed")
    tool = document.get("tool")
    uv = tool.get("uv") if isinstance(tool, dict) else None
    if isinstance(uv, dict) and ("sources" in uv or "index" in uv):
        carried.note("[tool.uv] sources, index", "PyTorch's index is chosen for each machine")
