"""The one exception that reaches a user as a sentence instead of a traceback."""


class InputError(ValueError):
    """Input that cannot be used as given.

    The message is one sentence that says what was expected, what came and what to do. The command
    line prints it and exits with code 2; Python callers catch it as a `ValueError`.
    """
