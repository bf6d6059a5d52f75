"""`python -m clip_prep_cli` and the `clip-prep` script.

The command line is imported only when it is called: a worker process imports the main module
again, and has no use for Click.
"""

import signal


def main() -> None:
    """Run the command line on `sys.argv`."""
    # Until a run handles signals itself, Ctrl-C ends the process as any other program.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from clip_prep_cli.cli import cli

    cli(prog_name="clip-prep")


if __name__ == "__main__":
    main()
