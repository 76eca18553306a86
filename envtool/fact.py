"""The base of the frozen dataclasses, which gives all of them one equality, one hash and one text.

``@dataclass`` writes and compiles these for each class anew, which for machine.py alone is half of its import and a
twentieth of a start; see docs/decisions/0006.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool, eq: bool, repr: bool) -> object:  # noqa: A002 - the names of the original
        """``dataclasses.dataclass``, for the modules of a start: Fact itself keeps a value from being changed."""
        return dataclasses.dataclass(eq=False, repr=False)


__all__ = ["Fact", "dataclass"]


class Fact:
    """A value made of fields: equal where the class and all fields are."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def _values(self) -> tuple[object, ...]:
        names: dict[str, object] = getattr(type(self), "__dataclass_fields__", {})
        return tuple(getattr(self, name) for name in names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)) or type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        names: dict[str, object] = getattr(type(self), "__dataclass_fields__", {})
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({fields})"
