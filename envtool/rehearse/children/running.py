"""The script itself: read, compiled and run as __main__, and how it ended."""

import importlib
import os
import re
import runpy
import sys
import threading
import time
import traceback
import types

import torch
import torch.utils.checkpoint
import torch.utils.data  # noqa: F401 - what is patched must be there

from . import branches, frames, judge, moves, partly, pretend, rules, saving, telling


def prepare():
    """Put everything in place, once."""
    frames.set_up(os.path.dirname(torch.__file__))
    telling.tell("torch", version=torch.__version__)
    rules.version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    _load_compiler()
    moves.install()
    saving.install()
    pretend.install()
    partly.install()
    _count_steps()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_in_child)


def _in_child():
    telling.cuda_before_fork = telling.cuda_before_fork or judge.counts.moves > 0


def run(script, how, limit):
    """The exit code that the script would have had."""
    _watch(limit)
    began = time.time()
    try:
        with judge.Modes():
            _run_file(script) if how == "file" else runpy.run_module(script, run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        if code and not isinstance(stop.code, int):
            print(stop.code, file=sys.stderr)
        _end("exit", began, code=code)
        return code
    except KeyboardInterrupt:
        _end("interrupted", began)
        return 130
    except BaseException as error:
        _failed(error, began)
        return 1
    _end("done", began)
    return 0


def _load_compiler():
    """Newer releases load it with the first optimizer, and it wants to find torch as it was."""
    if hasattr(torch, "_compile"):
        try:
            importlib.import_module("torch._dynamo")
        except Exception as error:
            print("rehearsal: torch._dynamo does not load: %s" % error, file=sys.stderr)


def _run_file(script):
    with open(script, "rb") as file:
        source = file.read()
    module = types.ModuleType("__main__")
    module.__file__ = script
    module.__builtins__ = __builtins__
    sys.modules["__main__"] = module
    exec(compile(source, script, "exec", dont_inherit=True), module.__dict__)


def _failed(error, began):
    """The traceback as the script would have shown it, without the rehearsal's frames."""
    own = os.path.dirname(os.path.abspath(__file__)) + os.sep
    lines = traceback.TracebackException(type(error), error, error.__traceback__)
    one = lines
    while one is not None:
        one.stack = traceback.StackSummary.from_list(
            [f for f in one.stack if not os.path.abspath(f.filename).startswith(own)]
        )
        one = one.__cause__ or one.__context__
    sys.stdout.flush()
    print("".join(lines.format()), end="", file=sys.stderr)
    place, step = frames.place(), error.__traceback__
    while step is not None:
        if frames.is_users(step.tb_frame.f_code.co_filename):
            place = frames.place(position=(step.tb_frame.f_code.co_filename, step.tb_lineno))
        step = step.tb_next
    if isinstance(error, SyntaxError) and error.filename and not place["file"]:
        place = frames.place(position=(error.filename, error.lineno or 1))
    _end("error", began, type=type(error).__name__, message=str(error)[:1000], place=place)


def _end(outcome, began, **facts):
    if os.getpid() != telling.main_process:  # a forked child that left through the script
        return
    branches.tell()
    telling.tell(
        "end",
        outcome=outcome,
        seconds=round(time.time() - began, 2),
        accelerator=judge.counts.accelerator,
        cpu=judge.counts.cpu,
        moves=judge.counts.moves,
        steps=judge.counts.steps,
        left_out=telling.left_out,
        **facts,
    )
    sys.stdout.flush()


def _count_steps():
    """Optimizers tell what a training works on: parameters that stay on the CPU are trained there."""
    from . import labels

    def stepped(optimizer, args, kwargs):
        judge.counts.steps += 1
        for group in optimizer.param_groups:
            for one in group["params"]:
                if one.grad is not None and not labels.is_accelerator(labels.label(one)):
                    telling.limit("trained-on-cpu", frames.place_here())
                    return

    register = getattr(sys.modules["torch.optim.optimizer"], "register_optimizer_step_pre_hook", None)
    if register is not None:
        register(stepped)


def _watch(limit):
    """At the limit: where the script is, then the end."""

    def wait():
        time.sleep(limit)
        began = time.time() - limit
        _end("limit", began, place=frames.of_main_thread())
        os._exit(0)

    threading.Thread(target=wait, daemon=True, name="rehearsal").start()
