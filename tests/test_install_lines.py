"""Lines of a requirements file that can't be installed as they stand: each is told with its place."""

from dataclasses import replace

import pytest

from envtool.catalog import load
from envtool.cli.install import Asked
from envtool.cli.install_mirror import with_pypis_build
from envtool.cli.install_parts import _refused, in_words, wanted_of
from envtool.errors import UsageError
from envtool.install.failures import explained
from envtool.install.requirements import Line, read_files
from envtool.install.tool import Ran
from envtool.machine_document import machine_from_json
from envtool.plan import NoPlan, resolve
from envtool.spec import Request, read

UNSET = ("into", "python", "variant", "index_url", "pytorch_index_url", "download", "target", "installer", "spec")
FLAGS = ("include_unverified", "dry_run", "as_json", "smoke")
NOTHING = {
    **dict.fromkeys(UNSET),
    **dict.fromkeys(FLAGS, False),
    "accelerator": "auto",
    "find_links": (),
    "no_spec": True,
}


def asked(*specs, requirements=()):
    return Asked(specs=specs, requirements=tuple(map(str, requirements)), **NOTHING)


def test_conda_s_name_of_torch_is_no_package_of_pip(tmp_path):
    file = tmp_path / "course.txt"
    file.write_text("tqdm\nPyTorch>=2\n")
    with pytest.raises(UsageError, match=r"course\.txt, line 2: 'PyTorch>=2': pip's name is torch"):
        wanted_of(asked(requirements=[file]), None)
    with pytest.raises(UsageError, match="the command line: 'pytorch': pip's name is torch"):
        wanted_of(asked("pytorch"), None)
    with pytest.raises(UsageError, match="pip's name is torch"):
        read(("pytorch==2.8.0",), None)
    assert read(("pytorch==2.8.0",), None, "conda").specifier("torch") == "==2.8.0"


def test_what_is_imported_is_not_always_what_is_installed(tmp_path):
    file = tmp_path / "course.txt"
    file.write_text("numpy\nsklearn>=1\n")
    with pytest.raises(
        UsageError, match=r"line 2: 'sklearn>=1' is what is imported; the package is called scikit-learn"
    ):
        wanted_of(asked(requirements=[file]), None)
    with pytest.raises(UsageError, match="the package is called pillow"):
        wanted_of(asked("PIL"), None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("numpy = 1", "error: Couldn't parse requirement in `a.txt` at position 5\n  cause: ...\n   numpy = 1\n   ^^"),
        ("-e /home/me/class/.", "error: `/home/me/class` does not appear to be a Python project, as neither"),
        ("-e ./foo", "error: Distribution not found at: file:///home/me/foo"),
        (r"C:\Users\me\foo.whl", "error: The wheel filename `C:\\Users\\me\\foo.whl` is invalid: Must have a version"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_with_its_place(text, said, tmp_path):
    file = tmp_path / "a.txt"
    file.write_text(f"tqdm\n./other\n{text}\n")
    error = in_words(explained(Ran(2, said), "uv", doing="x"), read_files((str(file),)))
    assert error.message.startswith(f"{file}, line 3: {text!r} can't be read") and error.exit_code == 2
    assert in_words(explained(Ran(2, said), "uv", doing="x"), ()).message.startswith("a requirement can't be read")


MACHINE = {"schema": "envtool.machine/1", "os": "linux", "arch": "x86_64", "libc": {"name": "glibc", "version": "2.36"},
           "python": {"version": "3.11.7", "abi": "cp311"}}  # fmt: skip


def test_an_index_with_pypis_packages_alone_has_another_variant():
    plan = resolve(machine_from_json(MACHINE), Request(("torch==2.13.0",), "cpu"), load())
    said = "  cause: Because there is no version of torch==2.13.0+cpu and you require torch==2.13.0+cpu, we can"
    error = explained(Ran(1, said), "uv", doing="x")
    mirror = replace(asked(), index_url="https://mirror.example.org/simple")
    hint = with_pypis_build(error, plan, mirror, load()).hint
    assert "has torch 2.13.0 for cu130 only, which runs without a GPU, too: add `--variant cu130`" in hint
    other = replace(mirror, pytorch_index_url="https://mirror.example.org/whl")
    for same in (asked(), other):
        assert with_pypis_build(error, plan, same, load()) is error


def test_without_a_line_it_would_be_the_torch_that_the_command_line_names(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("torch==2.4.0\n")
    wanted = wanted_of(asked("torch==2.13.0", requirements=[file]), None)
    machine = machine_from_json(MACHINE)
    answer = resolve(machine, wanted.request, load())
    assert isinstance(answer, NoPlan)
    error = _refused(answer, machine, wanted, load())
    assert error.hint == "change these lines; without them it would be torch 2.13.0"
    assert [line for line in wanted.lines if line.name == "torch"] == [Line("torch==2.4.0", str(file), 1, "torch")]


def test_the_variants_to_choose_from_stand_in_order():
    answer = resolve(machine_from_json(MACHINE), Request(("torch",), "auto", "cu999"), load())
    assert isinstance(answer, NoPlan)
    names = answer.hint.removeprefix("choose among ").split(", ")
    assert names[:3] == ["cpu", "cu116", "cu117"] and names[-1] == "xpu"
    assert names.index("rocm5.7") < names.index("rocm6.0") < names.index("rocm7.2") < names.index("rocm7.14")
