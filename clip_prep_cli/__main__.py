"""`python -m clip_prep_cli` and the `clip-prep` script.

The command line is imported only when it is called, so that Ctrl-C ends it even then.
"""

import os
import signal


def main() -> None:
    """Run the command line on `sys.argv`."""
    # Until a run handles signals itself, Ctrl-C ends the process as any other program.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _keep_standard_descriptors()
    from clip_prep_cli.cli.main import cli

    cli(prog_name="clip-prep")


def _keep_standard_descriptors() -> None:
    """Fill those that were closed, or files of the set get their numbers, and others' messages."""
    while (file := os.open(os.devnull, os.O_RDWR)) <= 2:  # each gets the lowest that is free
        os.set_inheritable(file, True)  # noqa: FBT003 - it has no name
    os.close(file)


if __name__ == "__main__":
    main()
