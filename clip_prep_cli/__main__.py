"""`python -m clip_prep_cli` and the `clip-prep` script.

The command line is imported only when it is called: a worker process imports the main module
again, and has no use for Click.
"""


def main() -> None:
    """Run the command line on `sys.argv`."""
    from clip_prep_cli.cli import cli

    cli(prog_name="clip-prep")


if __name__ == "__main__":
    main()
