"""A person's mistake: the one exception whose message is meant to be read."""


class InputError(Exception):
    """Something a person gave cannot be used.

    The message is one line: what is wrong (file, line or value) and what to do about it. Commands
    print it without a traceback and exit with status 2.
    """
