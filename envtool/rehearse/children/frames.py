"""Whose line is running: the innermost frame that is the user's own code."""

import dis
import linecache
import os
import sys
import sysconfig
import threading

own = os.path.dirname(os.path.abspath(__file__))
_installed = []
_known = {}


def set_up(torch_folder):
    """Everything below these folders is somebody else's code."""
    paths = sysconfig.get_paths()
    for name in ("stdlib", "platstdlib"):
        _installed.append(os.path.realpath(paths[name]) + os.sep)
    _installed.append(os.path.realpath(torch_folder) + os.sep)
    _installed.append(os.path.realpath(own) + os.sep)


def is_users(filename):
    """Is this file the user's: no part of Python, of an installed package or of the rehearsal?"""
    known = _known.get(filename)
    if known is None:
        known = _known[filename] = _judge(filename)
    return known


def _judge(filename):
    if filename.startswith("<"):
        return False
    real = os.path.realpath(filename)
    parts = real.replace("\\", "/").split("/")
    if "site-packages" in parts or "dist-packages" in parts:
        return False
    return not any(real.startswith(folder) for folder in _installed)


def users(depth=1, most=12):
    """The user's frames, innermost first."""
    frame, found = sys._getframe(depth), []
    while frame is not None and len(found) < most:
        if is_users(frame.f_code.co_filename):
            found.append(frame)
        frame = frame.f_back
    return found


def here():
    """(file, line) of the user's innermost frame, None outside of the user's code."""
    frame = sys._getframe(1)
    while frame is not None:
        if is_users(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None


def place(frame=None, position=None):
    """A place for the report: file, line, function and the text of the line."""
    if frame is not None:
        position = (frame.f_code.co_filename, frame.f_lineno)
    if position is None:
        return {"file": None, "line": None, "function": None, "text": None}
    file, line = position
    text = linecache.getline(file, line).strip() or None
    name = frame.f_code.co_name if frame is not None else None
    return {"file": os.path.abspath(file), "line": line, "function": name, "text": text}


def place_here():
    """The place of the user's innermost frame."""
    found = users(2, 1)
    return place(found[0]) if found else place()


def within(code, position):
    """Is this (file, line) in that function?"""
    if position is None or code.co_filename != position[0]:
        return False
    lines = [number for _, number in dis.findlinestarts(code) if number]
    return bool(lines) and min(lines) <= position[1] <= max(lines)


def of_thread(ident):
    """Where another thread of the user's code is now."""
    frame = sys._current_frames().get(ident)
    while frame is not None:
        if is_users(frame.f_code.co_filename):
            return place(frame)
        frame = frame.f_back
    return place()


def of_main_thread():
    """Where the script is now."""
    return of_thread(threading.main_thread().ident)
