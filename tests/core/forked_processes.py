"""Running functions in forked processes."""

import os
import traceback


def fork(work, *arguments):
    """Start `work` in a forked process; its id. It ends with 0, or prints its error and ends with 1."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        work(*arguments)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


NOBODY = 65534
"""The user and group without rights."""


def as_nobody(work):
    """Do something in a process without the rights of root."""

    def lowered():
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        work()

    assert join([fork(lowered)])


def join(processes):
    """Wait for all; true if every one of them ended well."""
    return [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes] == [0] * len(processes)
