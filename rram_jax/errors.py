"""Exceptions that a caller may want to catch."""


class InputError(ValueError):
    """Something a user handed over cannot be used; the message is one sentence.

    It says what came, what fits and what to do. The command line prints it and exits
    with code 2.
    """


class NgspiceError(RuntimeError):
    """ngspice failed, or succeeded in a way that cannot be trusted.

    The message names the folder that was kept.
    """


class NotConvergedError(RuntimeError):
    """A solve did not reach its tolerance.

    The message says in one sentence why, and names the folder that holds what was
    reached.
    """
