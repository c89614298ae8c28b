"""``python -m jikko``: the command line."""

from jikko.cli.main import main

if __name__ == "__main__":
    main()
