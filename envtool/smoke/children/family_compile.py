"""torch.compile in its two halves: capturing the program (eager backend), and generating code for it (inductor).

Capturing reads the bytecode, so each torch knows the Pythons up to its own time; generating needs a C++ compiler on
the CPU and triton on a GPU. Where one is missing, that is no failure of torch: the test is skipped and says what to
install. Compiled code is kept in the test's folder, not among the user's.
"""

import os
import shutil
import sys
import sysconfig

from harness import Failure, Skip, Test, expect

INSTALL = {
    "linux": "install one: `sudo apt install g++` or `sudo dnf install gcc-c++`, on a cluster `module load gcc`",
    "darwin": "install one: `xcode-select --install`",
    "win32": "install Visual Studio's Build Tools (C++) and start from their developer prompt",
}
HEADERS = {
    "linux": "`sudo apt install python3-dev` or `sudo dnf install python3-devel`, or use a Python of uv or conda",
    "darwin": "install Python from python.org, uv or conda",
    "win32": "install Python from python.org, uv or conda",
}


def refused(error):
    """Does torch say that it does not compile on this Python or this system at all?"""
    text = str(error)
    return (
        "support" in text
        and " not " in " %s " % text.replace("n't ", " not ")
        and ("Python" in text or "Windows" in text)
    )


def one_line(text):
    return " ".join(str(text).split())[:300]


def compiled(torch, function, **options):
    if not hasattr(torch, "compile"):
        raise Skip("torch %s has no torch.compile; it came with torch 2.0" % torch.__version__)
    try:
        return torch.compile(function, **options)
    except RuntimeError as error:
        if refused(error):
            raise Skip("torch %s: %s" % (torch.__version__, one_line(error)))
        raise


def wave(x, w):
    return (x * w).sin().sum() if x.sum() > 0 else (x - w).cos().sum()


def compare(torch, function, original, device):
    """Values and gradients of both, on each side of the branch."""
    for sign in (1.0, -1.0):
        pair = []
        for called in (function, original):
            x = (sign * torch.linspace(0.1, 1.0, 8)).to(device).requires_grad_()
            w = torch.linspace(1.0, 2.0, 8).to(device).requires_grad_()
            value = called(x, w)
            value.backward()
            pair.append((("the result", value), ("a gradient", x.grad), ("a gradient", w.grad)))
        for (name, found), (_, wanted) in zip(*pair):
            expect(
                torch.allclose(found, wanted, rtol=1e-4, atol=1e-5),
                "%s of the compiled function is %s, not %s" % (name, found.tolist(), wanted.tolist()),
            )


def eager(context):
    torch = context.torch
    graphs = []

    def counting(graph, inputs):
        """The backend "eager", and a count of what it was given."""
        graphs.append(len([node for node in graph.graph.nodes if node.op.startswith("call")]))
        return graph.forward

    compare(torch, compiled(torch, wave, backend=counting), wave, "cpu")
    torch._dynamo.reset()
    compare(torch, compiled(torch, wave, backend="eager"), wave, "cpu")
    context.evidence["graphs"] = len(graphs)
    context.evidence["operations"] = sum(graphs)
    expect(sum(graphs) >= 4, "torch.compile captured %d operations of the function: it runs uncompiled" % sum(graphs))
    return "both sides of a data-dependent branch were captured, in %d graphs" % len(graphs)


def cxx_compiler():
    """The compiler that inductor would take: the CXX of the environment, or the first by name; None without one."""
    named = os.environ.get("CXX")
    if named:
        return shutil.which(named.split()[0]) or named
    names = ("cl", "clang-cl", "icx-cl") if sys.platform == "win32" else ("g++", "clang++", "c++", "g++-12", "g++-13")
    return next((path for path in map(shutil.which, names) if path), None)


def need_tools(context):
    if context.device != "cpu":
        return
    found = cxx_compiler()
    if found is None:
        raise Skip("there is no C++ compiler; " + INSTALL.get(sys.platform, INSTALL["linux"]))
    context.evidence["compiler"] = found


def has_headers():
    return os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h"))


def excuse(error):
    """The Skip for what is missing around torch; None where torch itself is at fault."""
    text = "%s: %s" % (type(error).__name__, error)
    if refused(error):
        return Skip(one_line(error))
    if "Python.h" in text and not has_headers():
        return Skip("the headers of this Python are missing; " + HEADERS.get(sys.platform, HEADERS["linux"]))
    if "InvalidCxxCompiler" in text or "Compiler: cl is not found" in text:
        return Skip("inductor found no C++ compiler that works; " + INSTALL.get(sys.platform, INSTALL["linux"]))
    if "TritonMissing" in text or "Cannot find a working triton" in text:
        return Skip("triton is missing, which writes the GPU's code; on Windows `pip install triton-windows`")
    if "too old to be supported by the triton" in text or "GPUTooOldForTriton" in text:
        return Skip("this GPU is too old for triton (it needs compute capability 7.0); everything else works without")
    cause = cause_of(error)
    if isinstance(cause, ModuleNotFoundError) and not (cause.name or "torch").startswith("torch"):
        package = cause.name.split(".")[0]  # as setuptools, which torch 2.4 doesn't ask for
        return Skip("inductor needs the package %s, which is not installed: `pip install %s`" % (package, package))
    return None


def cause_of(error):
    """What torch.compile's own error wraps."""
    return getattr(error, "inner_exception", None) or error.__cause__ or error


def said(error):
    """What inductor fails with, in words: the cause inside, without its advice on logs."""
    cause = cause_of(error)
    text = one_line(str(cause).split("Set TORCH_LOGS")[0].split("Set TORCHDYNAMO_VERBOSE")[0])
    return "inductor fails: %s: %s" % (type(cause).__name__, text)


def inductor(context):
    torch = context.torch
    need_tools(context)
    for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        os.environ[name] = os.path.join(context.folder, name.lower())
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # in this process: no helper outlives the test
    function = compiled(torch, wave)
    try:
        compare(torch, function, wave, context.device)
    except Failure:
        raise
    except Exception as error:
        raise excuse(error) or Failure(said(error))
    made = [file for _, _, files in os.walk(context.folder) for file in files]
    context.evidence["files"] = len(made)
    expect(made, "torch.compile generated no code: the function ran uncompiled")
    return "generated code gives the same results and gradients"


TESTS = (
    Test(
        code="compile-eager",
        family="compile",
        sentence="torch.compile captures a Python function as graphs of operations.",
        mend="Leave torch.compile out, or install a newer torch: `envtool pick` names it.",
        run=eager,
        limit=120.0,
    ),
    Test(
        code="compile-inductor",
        family="compile",
        sentence="torch.compile generates code that computes the same.",
        mend="Leave torch.compile out, or use backend='eager'. A C++ compiler and the headers of Python are needed.",
        run=inductor,
        limit=240.0,
        fresh=True,
    ),
)
