"""A program of ours on a system that has only what all systems have: `python elsewhere.py FILE …`.

Our own modules find neither the modules, the names of `os` and `signal`, nor the folders that
Windows lacks. Libraries do, since on other systems they have ways of their own. Runs FILE, or with
`-m` the module that follows, as Python does.
"""

from __future__ import annotations

import builtins
import os
import runpy
import signal
import sys
from types import FrameType, ModuleType
from typing import Any

OURS = ("data_pipeline", "hpo", "models", "studies")
MODULES = ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty")
OF_OS = (
    *("fchmod", "fchown", "fork", "getloadavg", "getpgid", "getuid", "geteuid", "killpg"),
    *("mkfifo", "nice", "openpty", "posix_fadvise", "posix_fallocate", "pread", "pwrite"),
    *("sched_getaffinity", "sched_setaffinity", "set_blocking", "setpgid", "setsid", "statvfs"),
    *("sysconf", "uname", "wait3", "wait4", "waitid"),
    *("O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "EX_OK", "WNOHANG"),
)
OF_SIGNAL = (
    *("SIGALRM", "SIGBUS", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1"),
    *("SIGUSR2", "alarm", "pause", "pthread_sigmask", "setitimer", "sigwait", "sigwaitinfo"),
)
FOLDERS = ("/dev", "/etc", "/proc", "/sys", "/var")


def is_ours(name: object) -> bool:
    """Whether a module's name is that of one of ours."""
    return str(name).split(".")[0] in OURS


def is_for_us(frame: FrameType | None) -> bool:
    """Whether the last caller that is neither in here nor in the standard library is ours."""
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if frame.f_globals is not globals() and name.split(".")[0] not in sys.stdlib_module_names:
            return is_ours(name)
        frame = frame.f_back
    return False


class Lesser(ModuleType):
    """A module as our modules see it, without some of its names."""

    def __init__(self, real: ModuleType, gone: tuple[str, ...]) -> None:
        super().__init__(real.__name__)
        self._real, self._gone = real, gone

    def __getattr__(self, name: str) -> Any:
        if name in self._gone:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} here")
        return getattr(self._real, name)


LESSER = {"os": Lesser(os, OF_OS), "signal": Lesser(signal, OF_SIGNAL)}
real_import = builtins.__import__


def lesser_import(name: str, globals: Any = None, *words: Any, **more: Any) -> ModuleType:  # noqa: A002
    """Imports for our modules what there is elsewhere."""
    if globals and is_ours(globals.get("__name__")):
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r} here", name=name)
        if name in LESSER:
            return LESSER[name]
    return real_import(name, globals, *words, **more)


def refuse(event: str, words: tuple[Any, ...]) -> None:
    """Finds no file in folders that are not everywhere."""
    if event not in ("open", "os.listdir", "os.scandir") or not isinstance(words[0], str):
        return
    if words[0].startswith(FOLDERS) and words[0] != os.devnull and is_for_us(sys._getframe(1)):
        raise FileNotFoundError(2, "No such file or directory here", words[0])


def main() -> None:
    """Runs what the command line says."""
    real_readlink = os.readlink

    def readlink(path: Any, **more: Any) -> Any:
        refuse("open", (os.fspath(path),))
        return real_readlink(path, **more)

    os.readlink = readlink
    builtins.__import__ = lesser_import  # type: ignore[assignment]
    sys.addaudithook(refuse)
    del sys.argv[0]
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
