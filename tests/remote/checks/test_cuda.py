"""The facts of toolkits, cuDNN and library paths, from the files of a box."""

from __future__ import annotations

import shlex

import msgspec
import pytest

from gpubox.boxes.checks.cuda.facts import CudaFacts
from gpubox.remote.checks import cuda
from tests.remote.checks.alone import alone, script
from tests.remote.checks.trees import Tree

__all__ = ["alone"]


def facts() -> CudaFacts:
    return msgspec.json.decode(msgspec.json.encode(cuda.gather()), type=CudaFacts)


@pytest.fixture(autouse=True)
def shell(alone: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login shell that reads no start files."""
    monkeypatch.setenv("SHELL", str(alone.programs / "loginshell"))
    script(alone, "loginshell", "exit 1\n")


def logs_in(tree: Tree, **variables: str) -> None:
    """Let a login set variables, and its start files print something."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    script(tree, "loginshell", "\n".join(["echo Welcome", *lines, 'eval "$4"', ""]))


def toolkit(tree: Tree, folder: str, name: str, text: str, *, compiler: bool = True) -> None:
    tree.file(f"{folder}/{name}", text)
    if compiler:
        tree.file(f"{folder}/bin/nvcc")


def test_an_empty_box_gives_facts(alone: Tree) -> None:
    found = facts()
    assert (found.toolkits, found.cudnn, found.library_path, found.nvcc) == ((), (), (), "")
    assert found.machine
    assert not found.login_read


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [
        ("version.json", '{"cuda": {"name": "CUDA SDK", "version": "12.4.20240301"}}', "12.4"),
        ("version.json", '{"cuda": {"version": "13.0.2"}}', "13.0.2"),
        ("version.txt", "CUDA Version 10.2.89\n", "10.2.89"),
        ("include/cuda.h", "#define CUDA_VERSION 11080\n", "11.8"),
        ("targets/x86_64-linux/include/cuda.h", "#define CUDA_VERSION 12040 /* 12.4 */\n", "12.4"),
        ("lib64/libcudart.so.11.2.152", "", "11.2.152"),
        ("version.json", "{broken", ""),
        ("version.json", '{"cuda": []}', ""),
        ("version.json", '{"cuda": {"version": 12}}', ""),
    ],
)
def test_a_toolkit_is_read_by_the_file_that_it_has(alone: Tree, name: str, text: str, version: str) -> None:
    toolkit(alone, "/usr/local/cuda-12.4", name, text)
    (found,) = facts().toolkits
    assert (found.path, found.version, found.compiler) == ("/usr/local/cuda-12.4", version, True)


def test_toolkits_live_side_by_side(alone: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    toolkit(alone, "/usr/local/cuda-12.4", "version.json", '{"cuda": {"version": "12.4.1"}}')
    toolkit(alone, "/usr/local/cuda-13.0", "version.json", '{"cuda": {"version": "13.0.0"}}', compiler=False)
    (alone.root / "usr/local/cuda").symlink_to(alone.root / "usr/local/cuda-13.0")
    (alone.root / "usr/local/cuda-13").symlink_to(alone.root / "usr/local/cuda-13.0")
    toolkit(alone, "/opt/cuda", "version.json", '{"cuda": {"version": "12.9.1"}}')
    alone.file("/usr/bin/nvcc")
    alone.file("/usr/include/cuda.h", "#define CUDA_VERSION 11080\n")
    found = {row.version: (row.default, row.compiler, row.package) for row in facts().toolkits}
    assert found == {
        "12.4.1": (False, True, False),
        "13.0.0": (True, False, False),
        "12.9.1": (False, True, False),
        "11.8": (False, True, True),
    }


HEADER = "#define CUDNN_MAJOR 9\n#define CUDNN_MINOR 1\n#define CUDNN_PATCHLEVEL 0\n"


def test_copies_of_cudnn_are_found_once(alone: Tree) -> None:
    alone.file("/usr/include/x86_64-linux-gnu/cudnn_version_v9.h", HEADER)
    (alone.root / "usr/include/cudnn_version.h").symlink_to("x86_64-linux-gnu/cudnn_version_v9.h")
    alone.file("/usr/include/cudnn.h", '#include "cudnn_version.h"\n')
    library = alone.file("/usr/lib/x86_64-linux-gnu/libcudnn.so.9.1.0")
    (library.parent / "libcudnn.so.9").symlink_to(library.name)
    (library.parent / "libcudnn.so.8").symlink_to("libcudnn.so.8.9.7")  # which is gone
    toolkit(alone, "/usr/local/cuda-12.4", "version.json", '{"cuda": {"version": "12.4.1"}}')
    alone.file("/usr/local/cuda-12.4/targets/x86_64-linux/lib/libcudnn.so.8.9.7")
    found = [(copy.kind, copy.version) for copy in facts().cudnn]
    assert found == [("header", "9.1.0"), ("library", "9.1.0"), ("library", "8.9.7")]


def test_an_old_header_of_cudnn_is_read(alone: Tree) -> None:
    text = "#define CUDNN_MAJOR 7\n#define CUDNN_MINOR 6\n#define CUDNN_PATCHLEVEL 5\n"
    alone.file("/usr/include/cudnn.h", text)
    assert [(copy.kind, copy.version) for copy in facts().cudnn] == [("header", "7.6.5")]


def test_the_compiler_and_the_libraries_are_those_of_a_login(alone: Tree) -> None:
    script(alone, "nvcc", "echo 'Cuda compilation tools, release 12.4, V12.4.131'\n")
    (alone.programs / "bin").mkdir()
    (alone.programs / "nvcc").rename(alone.programs / "bin/nvcc")
    alone.file("/opt/cudnn/lib/libcudnn.so.9")
    alone.file("/opt/cudnn/lib/libcudnn_ops.so.9")
    alone.file("/opt/cudnn/lib/libother.so")
    alone.file("/opt/plain/libz.so.1")
    folders = "/opt/cudnn/lib/:/opt/plain:/usr/local/cuda-9/lib64:/gone::relative"
    logs_in(alone, PATH=f"{alone.programs}/bin:{alone.programs}", LD_LIBRARY_PATH=folders)
    found = facts()
    assert (found.login_read, found.nvcc, found.nvcc_version) == (True, f"{alone.programs}/bin/nvcc", "12.4")
    assert [(one.path, one.libraries, one.exists) for one in found.library_path] == [
        ("/opt/cudnn/lib", ("libcudnn",), True),
        ("/usr/local/cuda-9/lib64", (), False),
    ]


def test_without_a_login_the_variables_are_those_of_a_command(
    alone: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone.file("/usr/local/cuda/lib64/libcudart.so.12")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/local/cuda/lib64")
    found = facts()
    assert not found.login_read
    assert [one.libraries for one in found.library_path] == [("libcudart",)]


def test_root_does_not_read_its_own_login_for_the_user(alone: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    logs_in(alone, LD_LIBRARY_PATH="/usr/local/cuda-9/lib64")
    monkeypatch.setenv("SUDO_UID", "60123")
    assert not facts().login_read


def test_this_machine_gives_facts() -> None:
    assert facts().machine
