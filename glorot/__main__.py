"""python -m glorot"""

import os
import sys


def forget_working_folder() -> None:
    """`python -m` looks for modules in the working folder first, where a signal.py is nothing of ours."""
    try:
        here = os.getcwd()
    except OSError:  # it is gone, and empty
        return
    checkout = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    if sys.path[:1] in ([""], [here]) and os.path.realpath(here) != checkout:
        del sys.path[0]


if __name__ == "__main__":
    forget_working_folder()
    from glorot.cli.main import main

    main()
