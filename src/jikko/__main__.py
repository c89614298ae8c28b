"""Entry point of ``python -m jikko``."""

from jikko.cli.main import main

if __name__ == "__main__":
    main()
