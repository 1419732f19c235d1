"""Processes that find the libraries imported: one Python per site imports them once, and forks for each command.

A process of its own, with its own directory, environment, output and exit code, is what a command line is tested in;
two seconds of imports each are not what is tested. What a command imports by itself is checked elsewhere, in fresh
processes. The server has no threads when it forks, unlike the process of the tests.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

LIMIT_S = 300  # of one command

SERVER = """
import contextlib, importlib, json, os, signal, sys, traceback

for name in ("matplotlib.figure", "ntnsim.cli", "ntnsim.api.run", "ntnsim.api.sweep", "ntnsim.api.codec",
             "ntnsim.scenario.load", "ntnsim.networks.load", "ntnsim.report.page", "ntnsim.report.figures"):
    importlib.import_module(name)


def redirect(path, descriptor):
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(opened, descriptor)
    os.close(opened)


def answer(asked):
    for path, descriptor in ((asked["stdout"], 1), (asked["stderr"], 2)):
        redirect(path, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    code = 1
    signal.alarm(asked["limit_s"])
    try:
        os.chdir(asked["cwd"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        if "program" in asked:
            sys.argv = ["-c", *asked["arguments"]]
            exec(compile(asked["program"], "<string>", "exec"), {"__name__": "__main__"})
            code = 0
        else:
            sys.argv = ["ntnsim", *asked["arguments"]]
            from ntnsim.cli import main
            main()
            code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        answer(json.loads(line))
    _, status = os.waitpid(child, 0)
    os.write(1, b"%d\\n" % os.waitstatus_to_exitcode(status))
"""


@cache
def _server(site: str) -> subprocess.Popen[str]:
    """Start the server that imports ntnsim from *site*; it ends with the process that started it."""
    environment = {**os.environ, "PYTHONPATH": site, "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=site,
    )
    atexit.register(server.wait)
    atexit.register(server.stdin.close)  # first: what is registered last is called first
    return server


def forked(
    *arguments: str,
    cwd: Path,
    site: Path,
    environment: dict[str, str] | None = None,
    program: str | None = None,
    limit_s: int = LIMIT_S,
) -> subprocess.CompletedProcess[str]:
    """Run ``ntnsim`` with *arguments* in *cwd*, or the Python *program*; ntnsim is imported from *site*.

    environment: what is added to this process's. Raises TimeoutError where it takes longer than *limit_s*.
    """
    server = _server(str(site))
    with tempfile.TemporaryDirectory() as directory:
        stdout, stderr = (Path(directory) / name for name in ("stdout", "stderr"))
        asked = {
            "arguments": list(map(str, arguments)),
            "cwd": str(cwd),
            "environment": {**os.environ, "PYTHONPATH": str(site), **(environment or {})},
            "stdout": str(stdout),
            "stderr": str(stderr),
            "limit_s": limit_s,
        } | ({} if program is None else {"program": program})
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        if code == -signal.SIGALRM:
            said = stdout.read_text()[-500:] + stderr.read_text()[-500:]
            raise TimeoutError(f"ntnsim {' '.join(map(str, arguments))} took longer than {limit_s} s: {said}")
        return subprocess.CompletedProcess(arguments, code, stdout.read_text(), stderr.read_text())
