"""Which lines name a device: a table of what counts and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from envtool.device import find
from envtool.device.folder import list_folder
from envtool.errors import ToolError, UsageError

TORCH = "import torch\n"
COUNTS = [
    'DEVICE = "cpu"      # change this one line: "cuda", "mps", "xpu" or "auto"',
    'DEVICE = "auto"',
    "device = 'cuda:1'",
    'self.device = "mps"',
    'config["device"] = "xpu"',
    'device: str = "cuda"',
    'device, dtype = "cuda", torch.float32',
    'if (device := "cuda"): pass',
    "device = 0",
    'device = "gpu"',
    'device = torch.device("cuda")',
    'device = torch.device("cuda", 1)',
    'device = torch.device(type="cuda", index=rank)',
    "device = torch.device(0)",
    'device = "cuda" if torch.cuda.is_available() else "cpu"',
    'device = torch.device("cuda:0") if torch.cuda.is_available() else torch.device("cpu")',
    "device = 0 if torch.cuda.is_available() else -1",
    'device = ["cpu", "cuda"][torch.cuda.is_available()]',
    'device = os.environ.get("DEVICE") or "cpu"',
    'device = os.environ.get("DEVICE", "cpu")',
    'device = getattr(args, "device", "cuda")',
    'os.environ["DEVICE"] = "cuda"',
    'setattr(config, "device", "cuda")',
    'device = f"cuda:{rank}"',
    'device = "cuda:" + str(rank)',
    'device = "cuda:%d" % rank',
    'device = "cuda:{}".format(rank)',
    'loc = f"cuda:{rank}"',
    'workers.append(Worker("cuda:1"))',
    'devices = ["cuda:0", "cuda:1"]',
    'x = x.to("cuda")',
    'x = x.to("cuda", non_blocking=True)',
    'x = x.to(device="cuda:0")',
    "x = x.to(0)",
    'assert x.to("cuda").sum() == y',
    "x = x.cuda()",
    "x = x.cuda(rank, non_blocking=True)",
    "x = net(x.float().cuda())[0]",
    "x = x.xpu()",
    'x = torch.zeros(3, device="cuda")',
    'pipe = pipeline("ner", device=0)',
    'pipe = pipeline("ner", device=-1)',
    'model = load("m", device_map="cuda")',
    "model = torch.nn.DataParallel(model, device_ids=[0, 1])",
    "trainer = Trainer(gpus=1)",
    "trainer = Trainer(devices=[1])",
    'trainer = Trainer(accelerator="gpu", devices=1)',
    'trainer = Trainer(accelerator="gpu" if torch.cuda.is_available() else "cpu")',
    'state = torch.load(path, map_location="cpu")',
    'state = torch.load(path, "cuda:0")',
    'state = torch.load(path, map_location={"cuda:1": "cuda:0"})',
    'state = torch.load(path, map_location={"cuda:0": "cpu"})',
    'model = load("m", device_map={"": "cuda"})',
    "state = torch.load(path, map_location=lambda storage, where: storage.cuda(0))",
    'torch.set_default_device("cuda")',
    "torch.set_default_tensor_type(torch.cuda.FloatTensor)",
    'torch.set_default_tensor_type("torch.cuda.FloatTensor")',
    "dtype = torch.cuda.FloatTensor if use_cuda else torch.FloatTensor",
    "torch.cuda.set_device(rank)",
    "with torch.cuda.device(1): pass",
    "with torch.cuda.stream(s): pass",
    "s = torch.cuda.Stream()",
    "scaler = torch.cuda.amp.GradScaler()",
    "with torch.cuda.amp.autocast(): pass",
    'with torch.autocast("cuda", dtype=torch.float16): pass',
    'with torch.autocast(device_type="cuda"): pass',
    'scaler = torch.amp.GradScaler("cuda")',
    'g = torch.Generator("cuda")',
    'os.environ["CUDA_VISIBLE_DEVICES"] = "0"',
    'os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")',
    'subprocess.run(command, env={"CUDA_VISIBLE_DEVICES": "0"})',
    'subprocess.run(["python", "train.py", "--device", "cuda"])',
    'parser.add_argument("--device", default="cuda", choices=["cpu", "cuda"])',
    'parser.add_argument("--device", default="auto")',
    'parser.add_argument("--gpu", type=int, default=0)',
    'device: str = typer.Option("cuda", help="where")',
    'device: str = field(default="cuda")',
    'config = dict(lr=1e-3, device="cuda")',
    'found = search("cuda", device="cuda")',
    'config = {"lr": 1e-3, "device": "cuda"}',
    'def train(model, device="cuda"): pass',
    'def train(model, *, device: str = "cpu"): pass',
    "make = lambda device='cuda': None",
    'def get_device(): return "cuda"',
    'for device in ("cpu", "cuda"): pass',
    'model.to("cuda") if big else model.to("cpu")',
]
SILENT = [
    '# device = "cuda"',
    '"""Moves things to "cuda:0"."""',
    "print('cuda')",
    'print("cuda:0")',
    "print(f\"on {'cuda:0' if torch.cuda.is_available() else 'cpu'}\")",
    'logger.info("cuda:%d", rank)',
    'logger.info("starts", device="cuda:0")',
    'raise RuntimeError("cuda:0")',
    'assert ready, "cuda:0"',
    'results["cpu"] = 3.5',
    'results = {"cpu": 3.5, "cuda": 0.2}',
    'results = {"cuda:0": 0.2}',
    'path = "cpu.json"',
    'columns = ["name", "cpu", "cuda"]',
    'KINDS = ("cuda", "xpu", "mps", "cpu")',
    'DEVICES = ("cpu", "cuda", "mps")',
    'platform = "cuda"',
    'if platform == "cuda": pass',
    'if device == "cuda": pass',
    'if device == "cuda:0": pass',
    'if device in ("cuda:0", "cuda:1"): pass',
    'if x.device == torch.device("cpu"): pass',
    'if "cuda" in name: pass',
    'assert (kind, found) == ("cuda", ["cuda:0", ("cuda:1", "cuda:" + n)])',
    'if name.startswith("cuda"): pass',
    'if device.type == "cuda": torch.cuda.synchronize()',
    "if torch.cuda.is_available(): pass",
    "use_cuda = torch.cuda.is_available()",
    "available = torch.backends.mps.is_available()",
    "n = torch.cuda.device_count()",
    "name = torch.cuda.get_device_name(0)",
    "device = torch.cuda.current_device()",
    "torch.cuda.manual_seed_all(0)",
    "torch.cuda.empty_cache()",
    "if isinstance(x, torch.cuda.FloatTensor): pass",
    "import torch.cuda",
    "from torch.cuda.amp import autocast",
    "x = x.to(device)",
    "x = x.to(torch.float32)",
    "x = x.to(DEVICE)",
    "x = x.cpu().numpy()",
    "state = torch.load(path, map_location=DEVICE)",
    'x = torch.zeros(3, device="meta")',
    'name = os.environ.get("DEVICE", "").strip() or DEVICE',
    'visible = os.environ.get("CUDA_VISIBLE_DEVICES")',
    'del os.environ["CUDA_VISIBLE_DEVICES"]',
    'device = f"{kind}:{rank}"',
    'parser.add_argument("--device", choices=["cpu", "cuda"])',
    'parser.add_argument("--gpus", type=int, default=1)',
    'parser.add_argument("--model", default="cpu")',
    'trainer = Trainer(accelerator="auto", devices=1)',
    'model = load("m", device_map="auto")',
    "model = DDP(model, device_ids=[rank])",
    'style(height="auto")',
    'def where(name): return "cpu"',
    "mode: Literal['cuda:0', 'cpu']",
    'split = "dev"',
    "activities = [ProfilerActivity.CUDA]",
    "torch.cuda.FloatTensor = torch.FloatTensor",
    'name = names.xpu("Arc B580")',
    "clean = device.replace('cuda:0', 'cpu')",
    "axis.set_title('cuda:0')",
    "compute = devices.get('cuda')",
]


def places(tmp_path: Path, text: str, name: str = "code.py") -> list[tuple[int | None, int]]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return [(place.cell, place.line) for place in find(str(path)).places]


def lines(tmp_path: Path, text: str) -> list[int]:
    return [line for _, line in places(tmp_path, text)]


@pytest.mark.parametrize("line", COUNTS)
def test_counts_once(tmp_path: Path, line: str) -> None:
    assert lines(tmp_path, TORCH + line + "\n") == [2]


@pytest.mark.parametrize("line", SILENT)
def test_names_no_device(tmp_path: Path, line: str) -> None:
    assert lines(tmp_path, TORCH + line + "\n") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import torch as th\nd = th.cuda.Stream()\n", [2]),
        ("from torch import device\nwhere = device('cuda')\n", [2]),
        ("from torch import device as dev\nwhere = dev('cuda')\n", [2]),
        ("from torch import cuda\ncuda.set_device(0)\n", [2]),
        ("from torch.cuda import amp\nwith amp.autocast():\n    pass\n", [2]),
        ("from torch.cuda.amp import autocast as cast\nwith cast():\n    pass\n", [2]),
        ("from numba import cuda\n@cuda.jit\ndef f(x): pass\n", []),
        ("import sounddevice as sd\nsd.play(x, device=0)\ny.to(0)\n", []),
    ],
)
def test_imports_say_whose_name_it_is(tmp_path: Path, text: str, expected: list[int]) -> None:
    assert lines(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('arg = "mps"\nx = x.to(arg)\n', [1]),
        ('arg = "mps"\nprint(arg)\n', []),
        ('def train(model, device):\n    pass\ntrain(net, "cuda")\n', [3]),
        ('class Net:\n    def __init__(self, device):\n        pass\nNet("cuda")\n', [4]),
        ('def note(text):\n    pass\nnote("cuda")\n', []),
    ],
)
def test_what_stands_elsewhere_in_the_file_decides(tmp_path: Path, text: str, expected: list[int]) -> None:
    assert lines(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('device = (\n    "cuda"\n    if torch.cuda.is_available()\n    else "cpu"\n)\n', [2]),
        ("x = (net(y)\n     .float()\n     .cuda())\n", [3]),
        ("x, y = f(x.cuda(),\n         y.cuda())\n", [1, 2]),
        ('x = torch.zeros(\n    3,\n    device="cuda",\n)\n', [3]),
        ('if ok:\n    device = "cuda"\nelse:\n    device = "cpu"\n', [2, 4]),
        ('x.to("cuda"); y.to("cuda"); z.cuda()\n', [1]),
        ('match device:\n    case "cuda:0":\n        pass\n', []),
    ],
)
def test_a_value_counts_at_its_first_line_and_a_line_counts_once(
    tmp_path: Path, text: str, expected: list[int]
) -> None:
    assert lines(tmp_path, text) == expected


# ── files that are not as they should be ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'\xef\xbb\xbfDEVICE = "cpu"\r\n', [1]),
        ('# coding: latin-1\nname = "Jos\xe9"; DEVICE = "cpu"\n'.encode("latin-1"), [2]),
        (b'x = 1\rDEVICE = "cpu"\r', [2]),
        (b'x = 1\n\x0cDEVICE = "cpu"\n', [2]),
        ('x = "\u2028"\nDEVICE = "cpu"\n'.encode(), [2]),
        (b"", []),
    ],
    ids=["mark and CRLF", "latin-1", "CR", "form feed", "line separator", "empty"],
)
def test_lines_are_counted_as_python_counts_them(tmp_path: Path, data: bytes, expected: list[int]) -> None:
    path = tmp_path / "code.py"
    path.write_bytes(data)
    assert [place.line for place in find(str(path)).places] == expected


BROKEN = {
    "null byte": b'device = "cuda"\x00\n',
    "not UTF-8": b'# \xff\ndevice = "cuda"\n',
    "no such encoding": b'# coding: klingon\ndevice = "cuda"\n',
    "endless string": b'device = """cuda\n',
    "too deep": b'device = "cuda"\nx = ' + b"-" * 200_000 + b"1\n",
    "too long a sum": b'device = "cuda"\nx = ' + b"1+" * 200_000 + b"1\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=list(BROKEN))
def test_what_cannot_be_read_is_told_and_never_called_clean(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "broken.py").write_bytes(data)
    (tmp_path / "right.py").write_bytes(b'DEVICE = "cpu"\n')
    found = find(str(tmp_path))
    assert [place.file for place in found.places if place.file.endswith("right.py")]
    broken = [s for s in found.skipped if s.file.endswith("broken.py")]
    assert broken or [p for p in found.places if p.file.endswith("broken.py")]
    assert all(s.reason for s in broken)


@pytest.mark.parametrize("data", [b"\x00\x00", b"print 'nothing here'\n", b"\xff\xfe nothing"])
def test_what_holds_no_word_of_a_device_needs_no_parsing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "odd.py").write_bytes(data)
    found = find(str(tmp_path))
    assert found.places == ()
    assert bool(found.skipped) == (b"\xff" in data)


def test_an_exercise_with_blanks_is_read_around_them(tmp_path: Path) -> None:
    text = 'device = "cuda"\nanswer = # your code\ndef f(x):\n    # your code\n\nx = x.cuda()\n'
    found_lines = lines(tmp_path, text)
    assert found_lines == [1, 6]
    assert find(str(tmp_path)).skipped == ()


def test_a_blank_that_may_hold_a_device_is_told(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text('x = 1\ndevice = = "cuda"\n')
    found = find(str(tmp_path))
    assert [s.reason.split(":")[0] for s in found.skipped] == ["line 2"]


@pytest.mark.slow
def test_a_minified_file_is_told_in_short(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("x = [" + "1," * 200_000 + "]; y = y.cuda()\n")
    (place,) = find(str(tmp_path)).places
    assert len(place.text) == 400


def test_a_file_that_is_too_large_is_told(tmp_path: Path) -> None:
    with open(tmp_path / "code.py", "wb") as file:
        file.truncate(9 << 20)
    assert "larger" in find(str(tmp_path)).skipped[0].reason


def test_one_file_that_cannot_be_read_ends_the_command(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_bytes(BROKEN["not UTF-8"])
    with pytest.raises(ToolError, match="can't be read"):
        find(str(path))


def test_a_path_that_is_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("cuda")
    for path in (tmp_path / "nowhere", tmp_path / "notes.txt"):
        with pytest.raises(UsageError):
            find(str(path))


# ── folders ──────────────────────────────────────────────────────────────────────────────────────


def test_others_code_is_left_out(tmp_path: Path) -> None:
    for folder in ("src", ".venv", ".git", "build", "node_modules", "env311", "a/site-packages", "x.egg-info"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "code.py").write_text('DEVICE = "cpu"\n')
    (tmp_path / "env311" / "pyvenv.cfg").write_text("")
    listing = list_folder(str(tmp_path))
    assert [Path(name).parent.name for name in listing.files] == ["src"]
    names = sorted(Path(name).name for name in listing.left_out)
    assert names == ["build", "env311", "node_modules", "site-packages", "x.egg-info"]


def test_links_lead_nowhere_twice(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "code.py").write_text('DEVICE = "cpu"\n')
    try:
        (tmp_path / "src" / "loop").symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / "again.py").symlink_to(tmp_path / "src" / "code.py")
        (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    except OSError:
        pytest.skip("links can't be made here")
    found = find(str(tmp_path))
    assert [Path(place.file).name for place in found.places] == ["code.py"]
    assert [Path(skipped.file).name for skipped in found.skipped] == ["gone.py"]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes with a name here")
    os.mkfifo(tmp_path / "pipe.py")
    assert find(str(tmp_path)).skipped[0].reason == "not a plain file"
