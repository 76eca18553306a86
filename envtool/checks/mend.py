"""The lines that mend an environment: one install that brings torch and its companions to builds that fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from envtool.catalog import Catalog
from envtool.checks.os_packages import install_line
from envtool.commands import install_command
from envtool.environment import BrokenEnvironment, Environment
from envtool.errors import EnvtoolError
from envtool.fact import Fact
from envtool.machine import Found, HostPython, Machine
from envtool.plan import NoPlan, Plan, resolve
from envtool.shell import ALLOW_SCRIPTS, chained, shell_line
from envtool.spec import FAMILY, Request

if TYPE_CHECKING:
    from envtool.course import Course


@dataclass(frozen=True, eq=False, repr=False)
class EnvironmentMender(Fact):
    """Works out commands for one environment on one machine. Pure."""

    machine: Machine
    environment: Environment | BrokenEnvironment
    catalog: Catalog
    course: Course | None = None  # whose envtool.toml the lines keep to

    def reinstall(self, *, accelerator: str = "auto", force: bool = False) -> str | None:
        """The line that brings the trio to builds that fit; None where there is no such build, or conda rules here.

        The installed version of torch is kept where a build of it fits, since a course may pin it. With "auto" a
        GPU is served if any build can serve it. ``force`` writes over files that are damaged.
        """
        env = self.environment
        if isinstance(env, BrokenEnvironment) or self.from_conda(env):
            return None
        plan = self._plan(env, accelerator)
        return None if plan is None else self.command(plan, env, force=force)

    def command(
        self,
        plan: Plan,
        env: Environment,
        *,
        installer: str | None = None,
        shell: str | None = None,
        force: bool = False,
    ) -> str:
        """The line that installs a plan into this environment; made first, where there is none of one's own."""
        # What pip compares is the version in the metadata: PyPI's 2.15.0 hides the +cu132 that its files tell.
        installed = {name: found.version for name in FAMILY if (found := env.distribution(name)) is not None}
        line = install_command(
            plan,
            installer=installer or self.installer(env),
            python=self.python_word(env),
            shell=shell or self._shell,
            replacing=installed,
            force=force,
        )
        return self._prepared(env, line)

    def from_conda(self, env: Environment) -> bool:
        """Did conda install PyTorch here? Then pip would put a second one beside it."""
        return any(package.name in ("pytorch", "libtorch") for package in env.conda_packages)

    def _plan(self, env: Environment, accelerator: str) -> Plan | None:
        machine = replace(self.machine, python=Found(HostPython(env.version, env.abi, env.executable, env.bits)))
        for request in self._requests(env, accelerator):
            try:
                answer = self._resolve(machine, request)
            except EnvtoolError:
                continue
            if isinstance(answer, Plan):
                return answer
        return None

    def _resolve(self, machine: Machine, request: Request) -> Plan | NoPlan:
        if self.course is None:
            return resolve(machine, request, self.catalog)
        from envtool.plan.for_course import resolve_for

        return resolve_for(machine, request, self.course, self.catalog)[0]

    def _requests(self, env: Environment, accelerator: str) -> Iterator[Request]:
        """Most wanted first: the GPU before the CPU, the installed torch before the newest."""
        torch = env.build("torch") or env.distribution("torch")
        if self.course is not None:
            asked = self.course.request(accelerator=accelerator)
            named = {text.partition("=")[0].rstrip("<>!~ ").lower() for text in asked.packages}
            more = tuple(p for p in FAMILY if p not in named and env.distribution(p) is not None)
            asked = replace(asked, packages=(*asked.packages, *more))
            if torch:
                pin = f"torch=={torch.version.partition('+')[0]}"
                yield replace(asked, packages=(*asked.packages, pin))
            yield asked
            return
        installed = [p for p in FAMILY if env.build(p) is not None or env.distribution(p) is not None]
        others = [package for package in (installed or FAMILY) if package != "torch"]
        pins = [f"torch=={torch.version.partition('+')[0]}"] if torch else []
        kinds = ["gpu", "auto"] if accelerator == "auto" else [accelerator]
        for kind in kinds:
            for head in (*pins, "torch"):
                yield Request((head, *others), kind)
            if torch is None:  # nothing is installed: torch and torchvision serve where torchaudio has ended
                yield Request(("torch", "torchvision"), kind)

    # ── how to say it here ───────────────────────────────────────────────────────────────────────

    @property
    def _shell(self) -> str:
        return "powershell" if self.machine.os == "windows" else "posix"

    def _makes_environment(self, env: Environment) -> bool:
        """Is this a Python that nothing should be installed into? Then an environment is made first."""
        a_base = env.prefix == env.base_prefix and env.manager != "conda"
        return env.externally_managed or (a_base and env.build("torch") is None)

    def python_word(self, env: Environment) -> str:
        """What to type for this Python: "python" where its environment is active, else its path."""
        windows = self.machine.os == "windows"
        if self._makes_environment(env):
            return ".venv\\Scripts\\python" if windows else ".venv/bin/python"
        if env.chosen_by.startswith("the active"):
            return "python"
        here = env.working_directory
        separator = "\\" if windows else "/"
        if here and env.executable.startswith(here.rstrip("/\\") + separator):
            inside = env.executable[len(here.rstrip("/\\")) + 1 :]
            return f".{separator}{inside}" if windows else inside
        return env.executable

    def installer(self, env: Environment) -> str:
        """What installs into this environment: pip, unless it was made without."""
        return "uv" if not isinstance(env.pip, Found) and env.manager == "uv" else "pip"

    def _prepared(self, env: Environment, line: str) -> str:
        """The line, with what must come before it: an environment of one's own, or pip."""
        if self._makes_environment(env):
            line = self._chain(shell_line([env.executable, "-m", "venv", ".venv"], self._shell), line)
            line = self._chain(line, self._activate)
        elif not isinstance(env.pip, Found) and self.installer(env) == "pip":
            line = self._chain(shell_line([self.python_word(env), "-m", "ensurepip"], self._shell), line)
        else:
            return line
        return line if env.ensurepip else self._with_ensurepip(line)

    @property
    def _activate(self) -> str:
        """What makes the new environment the one that is meant; without it the next look is at the old one again."""
        if self._shell == "powershell":
            return f"{ALLOW_SCRIPTS}; .venv\\Scripts\\Activate.ps1"
        return "source .venv/bin/activate"

    def _with_ensurepip(self, line: str) -> str:
        """Debian and its children keep what makes environments in a package of its own."""
        first = install_line(self.machine, apt="python3-venv")
        return self._chain(first, line) if first else line

    def _chain(self, first: str, second: str) -> str:
        return chained(first, second, self._shell)

    def _pip(self, *words: str) -> str:
        env = self.environment
        if isinstance(env, BrokenEnvironment):
            return shell_line(["python", "-m", "pip", *words], self._shell)
        if self.installer(env) == "uv":
            verb, *rest = words
            return shell_line(["uv", "pip", verb, "--python", self.python_word(env), *rest], self._shell)
        return self._prepared(env, shell_line([self.python_word(env), "-m", "pip", *words], self._shell))

    def uninstall(self, *names: str) -> str:
        """The line that removes distributions."""
        env = self.environment
        asks_back = isinstance(env, BrokenEnvironment) or self.installer(env) == "pip"
        return self._pip("uninstall", *(("-y",) if asks_back else ()), *names)

    def install(self, *requirements: str) -> str:
        """The line that installs other packages."""
        return self._pip("install", *requirements)
