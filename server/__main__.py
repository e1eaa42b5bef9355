"""`python -m server` is `proctoring-server`."""

from server.cli import main

if __name__ == "__main__":
    main()
