"""A Python that starts warm: hundreds of short jobs need not each import torch, which costs more than the work.

`Warm` keeps a process with the heavy libraries imported, and a small program that stands in for the interpreter: called
as `program -m scripts.train …`, it has that process fork a child with the caller's arguments, folder, environment and
files, which runs the module as `python -m` does. Scripts are imported in the child, from the caller's folder.
"""

import array
import atexit
import contextlib
import gc
import importlib
import json
import logging
import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path

HEAVY = (
    *("numpy", "pandas", "torch", "datasets", "jinja2", "yaml", "openai", "jsonschema", "filelock", "tabulate"),
    *("transformers", "transformers.models.auto.modeling_auto", "transformers.models.llama.modeling_llama"),
    *("transformers.models.qwen2.modeling_qwen2", "transformers.models.mistral.modeling_mistral"),
    *("transformers.generation", "transformers.trainer", "peft", "trl.trainer.sft_trainer", "trl.trainer.dpo_trainer"),
    *("math_verify", "sympy", "matplotlib.pyplot", "gguf", "lm_eval"),
)

PROGRAM = """#!{python} -IS
import array, json, os, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect({socket!r})
request = json.dumps({{"argv": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}}).encode()
files = array.array("i", [0, 1, 2])
link.sendmsg([len(request).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
link.sendall(request)
answer = link.recv(1)
sys.exit(answer[0] if answer else 137)
"""


class Warm:
    """The warm process and its program, for as long as the block lasts; `program` is the path to call.

    Args:
        folder: the folder of the program and its socket; its path must be short.
        environment: variables that libraries read when they are imported, such as HF_HOME.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.environment = environment
        self.socket = str(folder / "warm.socket")
        self.program = folder / "python"

    def __enter__(self) -> "Warm":
        environment = {
            **os.environ,
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_NUM_THREADS": "1",
            "MPLBACKEND": "Agg",
        } | self.environment
        command = [sys.executable, "-m", "tests.warm", self.socket]
        root = Path(__file__).resolve().parents[1]
        self.process = subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline().strip() == "ready", "the warm process did not start"
        self.program.write_text(PROGRAM.format(python=sys.executable, socket=self.socket), encoding="utf-8")
        self.program.chmod(0o755)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


def warm_up() -> None:
    """Imports the heavy libraries, and does once what each job would do again and throw away."""
    for name in HEAVY:
        with contextlib.suppress(ImportError):  # a library of another environment
            importlib.import_module(name)
    importlib.import_module("scripts.lib.grading.warm")  # which silences logs, of a process of its own
    logging.disable(logging.NOTSET)
    importlib.import_module("transformers.conversion_mapping").get_checkpoint_conversion_mapping("llama")
    with contextlib.suppress(ImportError):  # it asks pip and the machine for their versions after each task
        importlib.import_module("lm_eval.evaluator").add_env_info = lambda results: None
    gc.collect()
    gc.freeze()  # a child's collections need not look at all this, nor copy its pages


def forked_workers() -> None:
    """A fork server would be a new Python that imports everything again: its workers are forks of this process."""
    context = multiprocessing.get_context

    def get_context(method: str | None = None) -> multiprocessing.context.BaseContext:
        return context("fork" if method == "forkserver" else method)

    multiprocessing.get_context = get_context


def serve(path: str) -> None:
    """Warms up and answers each call with a child of its own."""
    warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are not waited for
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(64)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        link, _ = server.accept()
        if os.fork() == 0:
            server.close()
            child(link)
        link.close()


def child(link: socket.socket) -> None:
    """Runs the module that the caller names, and returns the exit status to it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    files = array.array("i")
    size, ancillary, _, _ = link.recvmsg(8, socket.CMSG_SPACE(3 * files.itemsize))
    files.frombytes(ancillary[0][2])
    request = b""
    while len(request) < int.from_bytes(size, "big"):
        request += link.recv(1 << 16)
    call = json.loads(request)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(call["cwd"])
    os.environ.clear()
    os.environ.update(call["env"])
    places = [place for place in call["env"].get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.path[:1] = places if call["env"].get("PYTHONSAFEPATH") else [call["cwd"], *places]
    for name in [name for name in sys.modules if name.split(".")[0] in ("scripts", "tests")]:
        del sys.modules[name]
    flag, module, *arguments = call["argv"]
    assert flag == "-m", call["argv"]
    sys.argv = [module, *arguments]
    forked_workers()
    status = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        link.sendall(bytes([status & 255]))
        os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1])
