"""What a course or a project says once of what it needs: its envtool.toml, read. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envtool.fact import Fact, dataclass
from envtool.spec import CONDA_INSTALLERS, FAMILY, Request, rules_out_numpy_1
from envtool.versions import kind_of

if TYPE_CHECKING:
    from packaging.requirements import Requirement

PLATFORMS = ("linux-64", "linux-aarch64", "osx-arm64", "win-64")
VARIANTS = ("cpu", "cuda")
RUNS_ON = ("laptop",)
CHANNELS = ("conda-forge",)


@dataclass(frozen=True, eq=False, repr=False)
class Floors(Fact):
    """The least that a GPU must have to be of use here; None where any will do."""

    memory_gib: float | None = None
    compute_capability: tuple[int, int] | None = None
    driver: str | None = None  # on Linux

    def __bool__(self) -> bool:
        return self != Floors()


@dataclass(frozen=True, eq=False, repr=False)
class Course(Fact):
    """An envtool.toml. A field that the file leaves out has its default here."""

    name: str
    python: str = ""  # a version specifier; "" is any Python that torch has
    torch: tuple[str, ...] = FAMILY  # requirements of torch and its companions, as `envtool pick` takes them
    packages: tuple[str, ...] = ()  # requirements by a name that conda and PyPI share
    platforms: tuple[str, ...] = PLATFORMS
    variants: tuple[str, ...] = VARIANTS  # "cpu", "cuda", "rocm", "xpu", or one variant such as "cu126"
    runs_on: tuple[str, ...] = RUNS_ON
    channels: tuple[str, ...] = CHANNELS
    conda_packages: tuple[str, ...] = ()  # match specs of what conda alone has
    pip_packages: tuple[str, ...] = ()  # requirements of what PyPI alone has
    editable: tuple[str, ...] = ()  # folders beside the file, installed as they stand
    pip_names: tuple[tuple[str, str], ...] = ()  # PyPI's name of a package whose name differs there
    gpu: Floors = Floors()
    links: tuple[tuple[str, str], ...] = ()

    def request(
        self,
        packages: tuple[str, ...] = (),
        *,
        accelerator: str = "auto",
        variant: str | None = None,
        installer: str = "pip",
        channel: str | None = None,
        include_unverified: bool = False,
    ) -> Request:
        """What to ask the resolver for; requirements on the command line, ``packages``, win over the file's own."""
        asked = packages or (*self.torch, *self._numpy_pin())
        if installer in CONDA_INSTALLERS and channel is None and not set(self.channels) & set(CHANNELS):
            channel = self.channels[0]
        return Request(asked, accelerator, variant, installer, channel, include_unverified)

    def _numpy_pin(self) -> tuple[str, ...]:
        """numpy where 2 or newer is asked for, with which an old torch doesn't go."""
        read = [_requirement(text) for text in self.packages]
        pins = [str(r.specifier) for r in read if r.name.lower() == "numpy"]
        return tuple(f"numpy{pin}" for pin in pins if rules_out_numpy_1(pin))

    def requirements(self) -> tuple[str, ...]:
        """Everything but torch and its companions, by PyPI's names, for pip and uv."""
        names = dict(self.pip_names)
        shared = []
        for text in self.packages:
            read = _requirement(text)
            shared.append(f"{names.get(read.name, read.name)}{read.specifier}")
        return (*shared, *self.pip_packages)

    def conda_requirements(self) -> tuple[str, ...]:
        """Everything but torch and its companions that conda brings, by conda's names; pip brings the rest."""
        return (*self.packages, *self.conda_packages)

    def covers(self, variant: str) -> bool:
        """Is a build of that variant, "cu126" or conda's "cuda126", among those the course is made for?"""
        plain = f"cu{variant.removeprefix('cuda')}" if variant.startswith("cuda") and variant != "cuda" else variant
        return plain in self.variants or kind_of(plain) in self.variants

    @property
    def elsewhere(self) -> str:
        """What is left to do where a machine won't serve."""
        places = [place for place in self.runs_on if place != "laptop"]
        return f"use a place that the course names: {', '.join(places)}" if places else "ask whoever runs the course"

    def allows_python(self, version: str) -> bool:
        """Is that Python, "3.12.4", in the course's range?"""
        from envtool.spec import allows

        return allows(self.python, version)


def _requirement(text: str) -> Requirement:
    from packaging.requirements import Requirement

    return Requirement(text)
