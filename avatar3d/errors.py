"""The one exception that a user sees."""


class UserError(Exception):
    """Something the user can mend: the message is one line that says which file, what is wrong and what to do.

    The command line prints it and ends with status 2; anything else that escapes is a defect of ours.
    """
