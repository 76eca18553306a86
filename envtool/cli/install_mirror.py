"""What to say where ``--index-url`` is an index like PyPI, which has none of the builds with a ``+``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envtool.catalog import Catalog
    from envtool.cli.install import Asked
    from envtool.install.failures import InstallError
    from envtool.plan import Plan


def with_pypis_build(error: InstallError, plan: Plan, asked: Asked, catalog: Catalog) -> InstallError:
    """A build that is not to be had there, with the variant that PyPI has of the same torch."""
    pin = plan.pins[0]
    missing = error.name == "not-there" and any(f"{p.package}=={p.full}" in error.message for p in plan.pins if p.local)
    if not missing or asked.index_url is None or asked.pytorch_index_url is not None:
        return error
    variant = catalog.pypi_variant("torch", pin.version, plan.build.platform)
    if variant is None or variant == plan.variant:
        return error
    kind = "the CPU" if variant == "cpu" else f"{variant} only, which runs without a GPU, too"
    hint = (
        f"an index with PyPI's packages has torch {pin.version} for {kind}: add `--variant {variant}`; "
        "or name a mirror of PyTorch's own index with --pytorch-index-url"
    )
    return error.told(hint=hint)
