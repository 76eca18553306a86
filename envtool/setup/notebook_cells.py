"""The cells that a course's notebook begins with, for a place that brings its own PyTorch. Pure."""

from __future__ import annotations

from envtool import REQUIREMENT
from envtool.course import Course
from envtool.course.belongings import plain_name
from envtool.fact import Fact, dataclass
from envtool.setup.notebook import Cell, fenced, helper, link, literal, markdown

# What runs a notebook: on a laptop the course brings it, here the place does, and another version would end its kernel.
HOST = frozenset(
    ("ipykernel", "ipython", "jupyter", "jupyter-client", "jupyter-core", "jupyter-server", "jupyterlab", "notebook",
     "pyzmq", "tornado", "traitlets")
)  # fmt: skip
DEVICE_LINE = 'DEVICE = "{}"{}# change this one line: {}'


@dataclass(frozen=True, eq=False, repr=False)
class Place(Fact):
    """A place with notebooks: how its menus call what a student may have to do there."""

    name: str
    restart: str  # what to choose so that Python starts anew, as the beginning of a sentence
    reset: str  # what to choose to get back what the place brings
    gpu: str  # why there may be no GPU, and what to choose to get one
    switch: str  # where a GPU is switched on


@dataclass(frozen=True, eq=False, repr=False)
class Wishes(Fact):
    """What the options say of a notebook."""

    gpu: str | None  # the GPU to ask for; None for none
    repository: str | None = None  # "OWNER/NAME" on GitHub: the course's files
    branch: str = "main"
    source: str = REQUIREMENT  # what pip installs envtool from
    links: tuple[str, ...] = ()  # lines of Markdown under the title


def cells(course: Course, place: Place, wishes: Wishes) -> tuple[Cell, ...]:
    """From the title to the place where one's own work begins."""
    found = [
        Cell("markdown", _title(course, place, wishes)),
        Cell("code", '#@title Run this first { display-mode: "form" }\n' + _helper(course, place), hidden=True),
        Cell("markdown", _about_device(place, wishes)),
        Cell("code", device_line(wishes)),
        Cell("code", "device = get_device(DEVICE)"),
        Cell("markdown", _about_packages(course, place)),
        Cell("code", f"COURSE = {literal(needs(course))}\n\ncheck(COURSE)"),
    ]
    if packages(course):
        found.append(Cell("code", _INSTALL))
    if wishes.repository is not None:
        found.append(Cell("code", _project(course, wishes)))
    return (*found, Cell("markdown", _own_work(place, wishes)))


_INSTALL = """\
if prepare(COURSE):
    %pip install --quiet --progress-bar off --constraint envtool-constraints.txt --requirement envtool-extras.txt
finish(COURSE)
"""


def needs(course: Course) -> dict[str, object]:
    """What the notebook goes by: it compares this with what is there."""
    return {"python": course.python, "torch": list(course.torch), "packages": list(packages(course))}


def packages(course: Course) -> tuple[str, ...]:
    """What pip is asked for: a requirement is one line, whatever it holds. What runs the notebook is not among it."""
    return tuple(" ".join(text.split()) for text in course.requirements() if plain_name(text) not in HOST)


def device_line(wishes: Wishes) -> str:
    """The one line that says where everything is computed."""
    name, others = ("cuda", '"cpu" or "auto"') if wishes.gpu else ("cpu", '"cuda" or "auto"')
    return DEVICE_LINE.format(name, " " * 6, others)


def _helper(course: Course, place: Place) -> str:
    capability = course.gpu.compute_capability
    facts = {
        "restart": place.restart,
        "reset": place.reset,
        "gpu": place.gpu,
        "gpu memory": course.gpu.memory_gib,
        "gpu capability": list(capability) if capability else None,
    }
    return f"{helper()}\n\nPLACE = {literal(facts)}\n"


def _title(course: Course, place: Place, wishes: Wishes) -> str:
    links = [link(word, address) for word, address in course.links]
    parts = [
        *wishes.links,
        f"# {markdown(course.name)} on {place.name}",
        "Run the cells from top to bottom with Shift+Enter. A cell that stops says what to do.",
        " · ".join(links),
    ]
    return "\n\n".join(part for part in parts if part)


def _about_device(place: Place, wishes: Wishes) -> str:
    if wishes.gpu:
        return (
            f"## 1. The device\n\nThis notebook asks {place.name} for a GPU ({wishes.gpu}). If you get none, "
            f"{place.switch}. That starts a new machine: run all cells again."
        )
    return (
        "## 1. The device\n\n"
        f"This notebook computes on the CPU. For a GPU, {place.switch}, then change the line below and run all cells."
    )


def _about_packages(course: Course, place: Place) -> str:
    text = (
        f"## 2. The packages\n\n{place.name} brings PyTorch. It stays as it is, and so do torchvision, torchaudio and "
        "numpy: only what is missing is installed, by pip, beside it."
    )
    if course.conda_packages:
        names = ", ".join(f"`{' '.join(text.replace('`', ' ').split())}`" for text in course.conda_packages)
        text += f"\n\nConda alone has these, and conda is not here: {names}."
    return text


def _project(course: Course, wishes: Wishes) -> str:
    address = f"https://github.com/{wishes.repository}.git"
    folders = literal(list(course.editable))
    return f"get_project({literal(address)}, {literal(wishes.branch)}, {folders})"


def _own_work(place: Place, wishes: Wishes) -> str:
    lines = f'%pip install --quiet "{wishes.source}"\n!envtool doctor --no-spec'
    return (
        "## 3. Your work\n\nCreate tensors and networks with `device=device` or `.to(device)`, and nowhere name a "
        f"device.\n\nIf {place.name} misbehaves, paste these lines into a new cell. They say what is wrong:\n\n"
        f"{fenced(lines)}"
    )
