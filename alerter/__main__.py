"""`python -m alerter`, and the `alerter` command."""

from alerter.cli import main

if __name__ == "__main__":
    main()
