"""The base of the frozen dataclasses, which gives all of them one equality, one hash and one text.

``@dataclass`` writes and compiles these for each class anew, which for machine.py alone is half of its import and a
twentieth of a start; see docs/decisions/0006.
"""

from __future__ import annotations


class Fact:
    """A value made of fields: equal where the class and all fields are."""

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
