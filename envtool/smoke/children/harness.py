"""What a smoke test is made of. Python 3.8 and newer; imports nothing, so that no file of the user can stand in.

A family is a module ``family_NAME.py`` with a tuple ``TESTS``; ``families.py`` lists the modules. A family may import
what it likes at its top (torch excepted: it is ``context.torch``), because it is loaded when torch has been imported.
The folder of these files is on ``sys.path`` of the process that runs a test, so that its own child processes, which
unpickle or import, find the family; the files are real files even where the runner came as one archive.
"""


class Failure(Exception):
    """The sentence that the test proves is not true here. The message says so in words."""


class Skip(Exception):
    """The question does not arise here. The message says why, in words."""


class Warn(Exception):
    """The sentence holds, and something should be changed all the same. The message says what, in words."""


def expect(condition, message):
    """Fail with the message unless the condition holds."""
    if not condition:
        raise Failure(message)


class Test:
    """One smoke test.

    ``code`` is its name in kebab case, ``sentence`` the sentence of the lecture that it proves, ``mend`` what to do
    when it fails. ``run(context)`` gives a short sentence that says what was shown, or None; it raises Failure, Skip,
    Warn (a verdict "warn", which fails nothing) or anything else, and anything else is a failure too. ``quick`` tests
    are the ones of ``--quick``. After ``limit`` seconds its process is killed. A ``fresh`` test has a process of its
    own, which has imported torch and no more.
    """

    __test__ = False  # its name begins as pytest expects of a test

    def __init__(self, code, family, sentence, mend, run, quick=False, limit=20.0, fresh=False):
        self.code = code
        self.family = family
        self.sentence = sentence
        self.mend = mend
        self.run = run
        self.quick = quick
        self.limit = limit
        self.fresh = fresh


class Context:
    """What a test is given.

    ``device`` is the type of the device under test: "cpu", "cuda", "mps" or "xpu". ``accelerators`` names every device
    but the CPU that can be used ("cuda:0", "cuda:1", "mps"), and none where the CPU alone was asked for. ``folder`` is
    a folder for this test alone, removed after it. ``cores`` is how many cores this process may use. What is put into
    ``evidence`` (numbers, texts, lists, objects: JSON) comes with the verdict. ``reasons`` says of each kind of
    accelerator that can't be used why not.
    """

    def __init__(self, torch, device, accelerators, folder, cores, reasons=None):
        self.torch = torch
        self.device = device
        self.accelerators = accelerators
        self.folder = folder
        self.cores = cores
        self.reasons = reasons or {}
        self.evidence = {}
