"""``envtool setup kaggle``."""

from __future__ import annotations

import sys

import click

from envtool.cli.setup import Delivery, course_of, deliver, target_options
from envtool.cli.setup_parts import envtool_option


@click.command("kaggle")
@click.option("--user", metavar="NAME", help="Your name on Kaggle: the notebook will be kaggle.com/code/NAME/TITLE.")
@click.option("--repo", metavar="OWNER/NAME", help="The course's repository on GitHub: the notebook clones it.")
@click.option("--branch", metavar="NAME", default="main", show_default=True, help="Its branch.")
@click.option("--gpu", metavar="NAME", help="NvidiaTeslaT4, NvidiaL4X1 or none. Default: the least that suits.")
@click.option("--dataset", "datasets", metavar="OWNER/NAME", multiple=True, help="A data set to attach. Repeatable.")
@click.option("--competition", "competitions", metavar="NAME", multiple=True, help="A competition's data. Repeatable.")
@click.option("--public", is_flag=True, help="Let everyone see the notebook. Default: only you.")
@envtool_option
@target_options
def command(
    user: str | None,
    repo: str | None,
    branch: str,
    gpu: str | None,
    datasets: tuple[str, ...],
    competitions: tuple[str, ...],
    public: bool,
    source: str,
    spec: str | None,
    no_spec: bool,
    name: str | None,
    **delivery: str | bool | None,
) -> int:
    """A notebook for Kaggle, and the metadata that `kaggle kernels push` reads.

    It keeps Kaggle's own PyTorch, asks for a GPU that current builds of torch
    can use and tests it, names what clashes, and installs what is missing.
    """
    from envtool.cli.setup_colab import checked_gpu, checked_spec
    from envtool.setup.colab import checked_branch, checked_repository
    from envtool.setup.kaggle import CHANGE_ME, Kaggle, checked_competition, checked_dataset, checked_user, kaggle

    course, _ = course_of(spec, no_spec, name)
    wanted = Kaggle(
        gpu=checked_gpu("kaggle", course, gpu),
        user=checked_user(user) if user is not None else None,
        repository=checked_repository(repo) if repo is not None else None,
        branch=checked_branch(branch),
        datasets=tuple(checked_dataset(text) for text in datasets),
        competitions=tuple(checked_competition(text) for text in competitions),
        public=public,
        source=checked_spec(source),
    )
    how = Delivery(**delivery)  # type: ignore[arg-type]
    code = deliver(kaggle(course, wanted), how)
    if not how.stdout and not how.dry_run:
        if wanted.user is None:
            print(f"\nPut your name on Kaggle in place of {CHANGE_ME}, or run this again with --user.", file=sys.stderr)
        print("\nSend it to Kaggle, which runs it:\n  kaggle kernels push", file=sys.stderr)
        if course.editable and wanted.repository is None:
            print("note: the course's own code is not in it; --repo OWNER/NAME brings it, too", file=sys.stderr)
    return code
