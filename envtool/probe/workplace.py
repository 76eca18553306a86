"""The part of a plain start's answer that tells of the folder, the shell and the settings. Pure."""

from __future__ import annotations

from envtool.environment import Finding, Kernel, Proxy, Setting, Workplace
from envtool.machine import DeviceNode
from envtool.probe.answer import Answer, object_of, shown, text_of, texts_of
from envtool.verdicts import Json


def workplace_of(plain: Answer | None) -> Workplace | None:
    """The workplace, None where there was no plain start or it did not tell."""
    said = object_of(plain, "workplace") if plain is not None else None
    if said is None:
        return None
    days, authorities = said.get("days_behind"), said.get("authorities")
    return Workplace(
        variables=_pairs(said, "variables"),
        settings=tuple(Setting(where, key, value) for where, key, value in _triples(said, "settings")),
        programs=texts_of(said, "programs") if isinstance(said.get("programs"), list) else None,
        proxies=tuple(Proxy(*row) for row in _rows(said, "proxies", 4)),
        certificates=_pairs(said, "certificates"),
        missing=_pairs(said, "missing"),
        authorities=authorities if isinstance(authorities, int) else 0,
        closed=_pairs(said, "closed"),
        limits=tuple((str(name), value) for name, value in _mixed(said, "limits", 2) if isinstance(value, int)),
        route=_truth(said, "route"),
        render_nodes=tuple(
            DeviceNode(shown(str(path)), read is True, write is True)
            for path, read, write in _mixed(said, "render_nodes", 3)
        ),
        libraries=texts_of(said, "libraries"),
        toolkit=_toolkit(said),
        kernels=tuple(
            Kernel(shown(str(name)), shown(str(program)), own is True, there is True, mine is True)
            for name, program, own, there, mine in _mixed(said, "kernels", 5)
        ),
        replaced=texts_of(said, "replaced"),
        days_behind=days if isinstance(days, int) else 0,
        long_paths=_truth(said, "long_paths"),
        headers=_truth(said, "headers"),
        encoding=text_of(said, "encoding"),
        infiniband=texts_of(said, "infiniband"),
        interfaces=texts_of(said, "interfaces"),
        sources=tuple(
            Finding(str(what), shown(str(file)), line)
            for what, file, line in _mixed(said, "sources", 3)
            if isinstance(line, int)
        ),
        editor=_editor(said),
        containers=_triples(said, "containers"),
    )


def _mixed(said: Answer, key: str, length: int) -> list[list[Json]]:
    value = said.get(key)
    rows = value if isinstance(value, list) else []
    return [row for row in rows if isinstance(row, list) and len(row) == length]


def _rows(said: Answer, key: str, length: int) -> list[list[str]]:
    return [[shown(str(cell)) for cell in row] for row in _mixed(said, key, length)]


def _pairs(said: Answer, key: str) -> tuple[tuple[str, str], ...]:
    return tuple((first, second) for first, second in _rows(said, key, 2))


def _triples(said: Answer, key: str) -> tuple[tuple[str, str, str], ...]:
    return tuple((first, second, third) for first, second, third in _rows(said, key, 3))


def _truth(said: Answer, key: str) -> bool | None:
    value = said.get(key)
    return value if isinstance(value, bool) else None


def _toolkit(said: Answer) -> tuple[str, str] | None:
    value = said.get("toolkit")
    if not isinstance(value, list) or len(value) != 2:
        return None
    return shown(str(value[0])), shown(str(value[1]))


def _editor(said: Answer) -> tuple[str, bool] | None:
    value = said.get("editor")
    return (shown(str(value[0])), value[1] is True) if isinstance(value, list) and len(value) == 2 else None
