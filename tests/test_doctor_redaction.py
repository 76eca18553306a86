"""What may be posted names nobody: planted secrets are hunted for in every output."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from doctor_room import Room
from hypothesis import given, settings
from hypothesis import strategies as st

from envtool.cli.doctor_report import without_names
from envtool.examination import examine
from envtool.probe.recording import RecordedHost, recording_from_json
from envtool.redaction import Redactor, redacted, secrets_in
from envtool.report.html import render as render_html
from envtool.report.json import doctor_to_json, dumps
from envtool.report.junit import render as render_junit
from envtool.report.posting import render_posting
from envtool.report.text import Style, render

MACHINES = Path(__file__).parent / "machines"
CLEAN = Redactor(
    homes=("/home/zelda", "C:\\Users\\Ana Maria"),
    users=("zelda", "Ana Maria", "xy"),
    hosts=("node17.cluster.example.org", "node17"),
    secrets=("hunter22",),
    versions=frozenset({"12.4.5.8"}),
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/zelda/thesis-leukemia/.venv (--python)", "~/<folder>/.venv (--python)"),
        ("in /home/zelda.", "in ~."),
        ("/home/zelda2/x and /home/bob", "~/<folder> and ~"),
        ("/home/zelda/course/random.py has the name of", "~/<folder>/random.py has the name of"),
        ("/home/zelda/course/my_thesis.py", "~/<folder>/<folder>"),
        ("'/home/zelda/my course/random.py' 'x'", "'~/<folder>/random.py' 'x'"),
        ("/home/zelda/.local/lib/python3.12/site-packages/torch/lib/libc10.so",) * 2,
        (r"C:\Users\Ana Maria\thesis x\.venv\Scripts\python.exe", r"~\<folder>\.venv\Scripts\python.exe"),
        (r"c:\\Users\\bob\\AppData\\Local\\Temp", r"~\\AppData\\Local\\Temp"),
        ("/Users/eve/.pyenv/versions/3.12.4/bin/python", "~/.pyenv/versions/3.12.4/bin/python"),
        ("/scratch/zelda/run and /scratch/xy/run", "/scratch/<user>/run and /scratch/<user>/run"),
        ("galaxy, zeldas", "galaxy, zeldas"),
        ("node17:8080 on NODE17.cluster.example.org", "<host>:8080 on <host>"),
        ("12.4.5.8, nvidia==10.1.2.3, torch-1.2.3.4-cp312.whl",) * 2,
        ("10.1.2.3:8080, host=192.168.0.7.", "<address>:8080, host=<address>."),
        ("127.0.0.1, Windows 10.0.22631.4, 550.54.14, 2.13.0",) * 2,
        ("fe80::1ff:fe23:4567:890a%eth0, 2001:db8::1", "<address>, <address>"),
        ("c10::Error, at::native, 0000:01:00.0, 12:34:56",) * 2,
        ("00:1a:2B:3c:4d:5e", "<address>"),
        ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6, GPU-8932f937", "GPU-<id>, GPU-<id>"),
        ("MIG-8932f937-d72c-4106-c12f-20bd9faed9f6", "MIG-<id>"),
        ("GPU-accelerated, 0x7f12 and cafe",) * 2,
        ("Serial Number: 0321654ABC", "Serial Number: <id>"),
        ("https://u:tok@nexus.corp/simple/abc?x=1, and", "https://<host>, and"),
        ("--index-url https://download.pytorch.org/whl/cpu",) * 2,
        ("https://me:pw@download.pytorch.org/whl?token=1", "https://download.pytorch.org/whl"),
        ("file:///home/zelda/build", "file:~/<folder>"),
        ("HF_TOKEN=abcdef123; password: x9", "HF_TOKEN=<secret>; password: <secret>"),
        ("Authorization: Bearer abcdefgh1234", "Authorization: Bearer <secret>"),
        ("tokenizers==0.15, tokenizer: fast, author=x",) * 2,
        ("ghp_abcdefghij0123456789", "<secret>"),
        ("zelda@example.org", "<address>"),
        ("it is 'hunter22'", "it is '<secret>'"),
        ("unset LD_LIBRARY_PATH",) * 2,
    ],
)
def test_what_is_taken_out_and_what_stays(text: str, shown: str) -> None:
    assert CLEAN(text) == shown.replace("/home/zelda/.local", "~/.local")
    assert CLEAN(CLEAN(text)) == CLEAN(text)


_PIECES = (
    "/home/zelda C:\\Users\\zelda /home/zelda/thesis ~ <folder> <host> https://u:p@example.org/x token=abc = 10.0.0.1 :: "
    "fe80::1 GPU-8932f937 node17 hunter22 zelda /scratch/zelda .venv/lib site-packages torch.py \x00 é / \\ file://x"
)
PIECES = _PIECES.split(" ")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from((" ", ", ", "\n", "' '"))), max_size=7))
def test_a_second_time_changes_nothing_and_nothing_crashes(pieces: list[tuple[str, str]]) -> None:
    text = "".join(word + between for word, between in pieces)
    once = CLEAN(text)
    assert CLEAN(once) == once
    assert all(word not in once for word in ("hunter22", "zelda", "node17", "10.0.0.1", "u:p", "8932f937"))


def test_names_that_tell_nothing_are_no_secrets() -> None:
    clean = Redactor(homes=("/root", "/"), users=("root", "torch", ""), hosts=("localhost", "ubuntu"))
    assert clean("group root, import torch on ubuntu") == "group root, import torch on ubuntu"
    assert clean("/root/thesis/.venv") == "~/<folder>/.venv"


def test_which_variables_are_secrets() -> None:
    found = secrets_in(
        {
            "HF_TOKEN": "aaaaa",
            "SSH_AUTH_SOCK": "/run/x",
            "PATH": "/bin",
            "PIP_INDEX_URL": "https://me:pw123@x.org/",
            "MY_PASSWORD": "bb",
        }
    )
    assert found == ("aaaaa", "pw123", "bb")


def test_structures_keep_their_shape() -> None:
    before = {"code": "zelda", "message": "zelda", "list": ["zelda", 1, None], "/home/zelda/a": True}
    assert redacted(before, CLEAN) == {
        "code": "zelda",
        "message": "<user>",
        "list": ["<user>", 1, None],
        "~/<folder>": True,
    }


# ── recorded machines ────────────────────────────────────────────────────────────────────────────


PLANTED = {
    "/home/ana": "/home/zelda-q",
    "\\\\ana\\\\": "\\\\zelda-q\\\\",
    "/Users/ana": "/Users/zelda-q",
    "/course/": "/thesis-leukemia/",
}
SECRETS = ("zelda-q", "thesis-leukemia", "compute-17", "3c1f-11ee", "10.20.30.40", "s3cr3t-value", "aa:bb:cc:dd:ee:ff")


def planted(name: str) -> RecordedHost:
    """A recorded machine of another user, with secrets in what its Python said."""
    text = (MACHINES / name).read_text(encoding="utf-8")
    for word, by in PLANTED.items():
        text = text.replace(word, by)
    host = RecordedHost(recording_from_json(json.loads(text)))
    host.recording.answers["facts"][""]["hostname"] = "compute-17"
    uuid = "GPU-8932f937-3c1f-11ee-c12f-20bd9faed9f6"
    said = f"cannot reach 10.20.30.40 ({uuid}, aa:bb:cc:dd:ee:ff) as zelda-q@compute-17 with token=s3cr3t-value"
    host.recording.keep("env", "CUDA_VISIBLE_DEVICES", uuid)
    host.recording.keep("env", "LD_LIBRARY_PATH", "/home/zelda-q/thesis-leukemia/lib")
    child = host.recording.answers.get("start", {}).get("import")
    if isinstance(child, dict) and isinstance(child.get("found"), dict):
        child["found"] |= {"stdout": "", "stderr": f"Traceback\nOSError: {said}\n", "returncode": 1}
    return host


def outputs(diagnosis) -> dict[str, str]:
    return {
        "text": render(diagnosis, Style(), everything=True),
        "json": dumps(doctor_to_json(diagnosis)),
        "html": render_html(diagnosis),
        "junit": render_junit("envtool doctor", diagnosis.verdicts),
        "report": render_posting(diagnosis),
    }


@pytest.mark.parametrize(
    "name",
    ["laptop-cpu", "random-py", "server-8xv100", "venv-dangling", "conda-and-pip", "windows-rtx4060", "macos-m2"],
)
def test_no_planted_secret_is_in_any_output(name: str) -> None:
    host = planted(f"{name}.json")
    diagnosis = examine(host)
    raw = "".join(outputs(diagnosis).values())
    assert sum(secret in raw for secret in SECRETS) >= 3, "nothing was planted where it shows"
    for kind, text in outputs(without_names(diagnosis, host)).items():
        assert [secret for secret in SECRETS if secret.lower() in text.lower()] == [], kind


def test_the_verdicts_stay_the_same() -> None:
    host = planted("driver-library-mismatch.json")
    diagnosis = examine(host)
    clean = without_names(diagnosis, host)
    assert [(v.code, v.status) for v in clean.verdicts] == [(v.code, v.status) for v in diagnosis.verdicts]
    assert clean.next_step == replace(diagnosis.next_step)


# ── a real environment ───────────────────────────────────────────────────────────────────────────

LIVE = (
    *("zelda-q", "leukemia", "hunter22-token", "s3cr3t-value", "0ther-value", "10.20.30.40", "3c1f-11ee"),
    *("nexus.corp.example", "mirror.corp.example", "proxy.corp.example"),
)


def live(tmp_path: Path) -> tuple[Room, dict[str, str]]:
    room = Room(tmp_path / "home" / "zelda-q", "thesis-leukemia")
    torch = room.site / "torch"
    torch.mkdir()
    (torch / "version.py").write_text("__version__ = '2.13.0+cpu'\n")
    (torch / "__init__.py").write_text(
        "import os\nraise ImportError('no ' + os.environ['MY_API_KEY'] + ' at 10.20.30.40 for zelda-q in ' + __file__)\n"
    )
    env = {
        "USER": "zelda-q",
        "VIRTUAL_ENV": str(room.prefix),
        "PATH": f"{room.prefix / 'bin'}{os.pathsep}{room.env['PATH']}",
        "MY_API_KEY": "hunter22-token",
        "http_proxy": "http://zelda-q:s3cr3t-value@proxy.corp.example:8080",
        "HTTPS_PROXY": "proxy.corp.example",
        "PIP_INDEX_URL": "https://zelda-q:s3cr3t-value@nexus.corp.example/simple",
        "CUDA_VISIBLE_DEVICES": "GPU-8932f937-3c1f-11ee-c12f-20bd9faed9f6",
        "LD_LIBRARY_PATH": str(room.folder / "lib"),
        "PYTHONPATH": str(room.folder),
    }
    (room.folder / "random.py").write_text("")
    own = "--extra-index-url https://me:0ther-value@mirror.corp.example/simple\ntorch==2.13.0\n"
    (room.folder / "requirements.txt").write_text(own)
    (room.home / ".config" / "pip").mkdir(parents=True)
    (room.home / ".config" / "pip" / "pip.conf").write_text(
        "[global]\nindex-url = https://me:0ther-value@mirror.corp.example/simple\ncert = /home/zelda-q/leukemia.pem\n"
    )
    (room.folder / "train_leukemia.py").write_text(
        "import torch\nfrom torch.utils.data import DataLoader\nmodel = torch.compile(None)\n"
        "for batch in DataLoader([], num_workers=2):\n    pass\n"
    )
    kernel = room.home / ".local" / "share" / "jupyter" / "kernels" / "leukemia-kernel"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": [str(room.python), "-m", "x"], "display_name": "leukemia"}))
    return room, env


@pytest.mark.skipif(os.name == "nt", reason="environments of POSIX")
def test_no_secret_of_a_real_shell_is_in_a_report(tmp_path: Path) -> None:
    room, env = live(tmp_path)
    files = {name: tmp_path / name for name in ("report", "html", "junit")}
    options = [word for name, file in files.items() for word in (f"--{name}", file)]
    done = room.doctor("--json", "--redact", *options, **env)
    assert done.code == 1, done.err
    document = json.loads(done.out)
    assert document["schema"] == "envtool.doctor/1"
    assert {"torch-import", "stdlib-shadow"} & {v["code"] for v in document["verdicts"] if v["status"] == "fail"}
    for name, text in {"json": done.out, **{n: f.read_text(encoding="utf-8") for n, f in files.items()}}.items():
        assert [secret for secret in LIVE if secret in text] == [], name
        assert "random" in text, name


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="environments of POSIX")
def test_only_the_report_is_redacted_unless_asked(tmp_path: Path) -> None:
    room, env = live(tmp_path)
    done = room.doctor("--no-import", "--report", tmp_path / "r.txt", "--html", tmp_path / "h.html", **env)
    assert not [word for word in ("s3cr3t-value", "0ther-value") if word in done.out]  # passwords are never even read
    assert "zelda-q" in done.out and "zelda-q" in (tmp_path / "h.html").read_text(encoding="utf-8")
    assert "zelda-q" not in (tmp_path / "r.txt").read_text(encoding="utf-8")
    assert "read it once" in done.err
    both = room.doctor("--redact", "--record", tmp_path / "m.json")
    assert both.code == 2 and "--record" in both.err and not (tmp_path / "m.json").exists()
